"""OpenAPI from the table: what kubectl asks for before it creates, applies or explains anything.

::

    v3_index(served, salt) -> dict                     # GET /openapi/v3; salt = v3_salt(schemas, descriptions)
    whole(v3_document(schemas, resources)) -> bytes    # GET /openapi/v3/apis/apps/v1?hash=…; one group version
    whole(v2_document(schemas, served)) -> dict        # GET /openapi/v2
    whole(gnostic(document)) -> bytes                  # the same for Accept: application/com.github.proto-openapi…

`served` are `ServedResource`s with their `ServedSubresource`s. Makers yield after each resource; `whole` runs them.
"""

from podling.api.schema.openapi.definitions import model_name
from podling.api.schema.openapi.descriptions import NONE, Descriptions, installed
from podling.api.schema.openapi.documents import v2_document, v3_document, v3_hash, v3_index, v3_salt, whole
from podling.api.schema.openapi.gnostic import gnostic
from podling.api.schema.openapi.served import ServedResource, ServedSubresource

__all__ = [
    "NONE",
    "Descriptions",
    "ServedResource",
    "ServedSubresource",
    "gnostic",
    "installed",
    "model_name",
    "v2_document",
    "v3_document",
    "v3_hash",
    "v3_index",
    "v3_salt",
    "whole",
]
