"""The OpenAPI documents of a server: the v3 index, one v3 document a group version, the one v2 document.

They are made when somebody asks for the first time, and kept as bytes by the caller. Each maker is a generator that
yields after every resource and returns the document, so that an event loop can do other work in between; `whole` runs
one to its end. The index names each document by a hash of what it is made from, so it can be written without
making them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec
import orjson

from podling.api.schema.openapi.custom import CustomModels
from podling.api.schema.openapi.definitions import PATCH, Definitions, Version, model_name
from podling.api.schema.openapi.descriptions import NONE, Descriptions
from podling.api.schema.openapi.paths import Paths
from podling.api.schema.openapi.served import ServedResource
from podling.api.schema.schemas import Schemas

T = TypeVar("T")
INFO: Final = {"title": "Kubernetes", "version": "v1.37.1"}


def whole(steps: Generator[None, None, T]) -> T:
    """Runs a maker to its end without a pause."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value


def v3_index(served: Iterable[ServedResource], salt: str = "") -> dict[str, Any]:
    """The body of `/openapi/v3`. `salt` is part of every hash, see `v3_salt`."""
    groups: dict[str, list[ServedResource]] = {}
    for resource in served:
        groups.setdefault(resource.prefix, []).append(resource)
    return {
        "paths": {
            prefix: {"serverRelativeURL": f"/openapi/v3/{prefix}?hash={v3_hash(resources, salt)}"}
            for prefix, resources in groups.items()
        }
    }


def v3_salt(schemas: Schemas, descriptions: Descriptions = NONE) -> str:
    """What documents depend on beside the resources: clients keep them for a year under their hash."""
    return f"{schemas.edition}{INFO['version']}{descriptions is NONE}"


def v3_hash(resources: Sequence[ServedResource], salt: str = "") -> str:
    """The hash of one group version's document, as its URL carries it."""
    return hashlib.sha256(salt.encode() + msgspec.json.encode(list(resources))).hexdigest().upper()


def v3_document(
    schemas: Schemas, resources: Sequence[ServedResource], descriptions: Descriptions = NONE
) -> Generator[None, None, bytes]:
    """The OpenAPI v3 document of one group version, from all its resources."""
    definitions, paths = yield from _parts(3, schemas, resources, descriptions)
    document = {
        "openapi": "3.0.0",
        "info": INFO,
        "paths": paths,
        "components": {"schemas": definitions.schemas},
    }
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def v2_document(
    schemas: Schemas, resources: Sequence[ServedResource], descriptions: Descriptions = NONE
) -> Generator[None, None, dict[str, Any]]:
    """The OpenAPI v2 document of all group versions, as an object: JSON for some clients, gnostic for others."""
    definitions, paths = yield from _parts(2, schemas, resources, descriptions)
    return {"swagger": "2.0", "info": INFO, "paths": paths, "definitions": definitions.schemas}


def _parts(
    version: Version, schemas: Schemas, resources: Sequence[ServedResource], descriptions: Descriptions
) -> Generator[None, None, tuple[Definitions, dict[str, Any]]]:
    group_versions = dict.fromkeys((resource.group, resource.version) for resource in resources)
    definitions = Definitions(version, descriptions, group_versions)
    custom = CustomModels(version, schemas, definitions, resources)

    def ref(group: str, api_version: str, kind: str) -> dict[str, Any]:
        """Refers to a kind's schema and sees to it that it is there; a kind without a type is any object."""
        found = schemas.kind(group, api_version, kind)
        if found is None:
            return custom.ref(group, api_version, kind) or {"type": "object"}
        definitions.add(found)
        return definitions.ref(model_name(found.name))

    definitions.add_special(PATCH)
    paths = Paths(version, ref, definitions.ref(PATCH))
    out: dict[str, Any] = {}
    for resource in resources:
        out |= paths.of(resource)
        yield
    return definitions, out
