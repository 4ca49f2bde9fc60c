"""Which form of an answer a client accepts: the object, a Table, only metadata.

`Accept` lists media types in the client's order of preference, with `as=`, `v=` and `g=` parameters for other forms
(Kubernetes documentation, "API concepts: alternate representations"). Everything is made as JSON; for clients that
take only protobuf or YAML it is translated (`encoding`), and one that takes only CBOR is refused.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

from podling.api.errors import NotAcceptable

Shape = Literal["", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]
_JSON = ("application/json", "*/*", "application/*", "")
_META = "meta.k8s.io"


class Form(NamedTuple):
    """`shape` is empty for the object itself; `version` is that of meta.k8s.io."""

    shape: Shape = ""
    version: str = "v1"


PLAIN = Form()


class MediaType(NamedTuple):
    name: str
    params: dict[str, str]


@lru_cache(maxsize=256)
def media_types(accept: str) -> tuple[MediaType, ...]:
    """The alternatives of an Accept header, by weight, then in order."""
    found: list[tuple[float, MediaType]] = []
    for part in accept.split(","):
        name, *rest = (each.strip() for each in part.split(";"))
        params = dict(each.split("=", 1) for each in rest if "=" in each)
        try:
            weight = float(params.pop("q", "1"))
        except ValueError:
            weight = 1.0
        found.append((-weight, MediaType(name.lower(), params)))
    return tuple(each for _, each in sorted(found, key=lambda pair: pair[0]))


@lru_cache(maxsize=256)
def form_of(accept: str, listing: bool) -> Form:
    """The first alternative we can give. Raises NotAcceptable."""
    for name, params in media_types(accept):
        if name not in _JSON:
            continue
        shape = params.get("as", "")
        if not shape:
            return PLAIN
        if params.get("g", _META) != _META or params.get("v", "v1") not in ("v1", "v1beta1"):
            continue
        version = params.get("v", "v1")
        if shape == "Table":
            return Form("Table", version)
        if shape == "PartialObjectMetadataList" and listing:
            return Form("PartialObjectMetadataList", version)
        if shape == "PartialObjectMetadata" and not listing:
            return Form("PartialObjectMetadata", version)
    raise NotAcceptable(
        "only the following media types are accepted: application/json, application/yaml, "
        "application/vnd.kubernetes.protobuf"
    )
