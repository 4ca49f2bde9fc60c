"""OpenAPI v2 of both, ours and theirs, in one document: for clients older than v3, and for generators.

Our document is megabytes, so theirs is spliced into its bytes; only for clients that want it as protobuf the whole is
read, in a thread. Where both define a type of one name, ours stands.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

import orjson

from podling.api.schema.openapi import gnostic
from podling.apiserver.aggregation.services import Remote

Json = dict[str, Any]
METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})
_DEFINITIONS, _PATHS = b'{"definitions":{', b'"paths":{"/'


class Part(NamedTuple):
    """What one remote group version adds."""

    paths: Mapping[str, Any]
    definitions: Mapping[str, Any]


def part_of(document: Json, remote: Remote) -> Part:
    """Of another server's whole document the paths of a version, and all types."""
    own = f"{remote.path}/"
    shared = document.get("parameters") or {}
    found = (document.get("paths") or {}).items()
    paths = {path: _path_item(said, shared) for path, said in found if f"{path}/".startswith(own)}
    return Part(paths, (document.get("definitions") or {}) if paths else {})


def _path_item(said: Json, shared: Json) -> Json:
    """Standing by itself: parameters that the whole document shares are written out."""
    out = {key: _operation(each, shared) if key in METHODS else each for key, each in said.items()}
    if "parameters" in said:
        out["parameters"] = _parameters(said, shared)
    return out


def _operation(said: Json, shared: Json) -> Json:
    """With everything that generators expect of one."""
    lists: Json = {key: said.get(key) or [] for key in ("tags", "produces", "consumes", "schemes")}
    responses = {code: {"description": "", **each} for code, each in (said.get("responses") or {}).items()}
    own = {"operationId": "", **said, "parameters": _parameters(said, shared), "responses": responses}
    return {**own, **lists}


def _parameters(said: Json, shared: Json) -> list[Json]:
    found = said.get("parameters") or ()
    return [shared.get(each["$ref"].rpartition("/")[2], each) if "$ref" in each else each for each in found]


def spliced(local: bytes, parts: list[Part]) -> bytes:
    """`local`: our document, its keys sorted, as the encoder writes it."""
    definitions, paths = b"", b""
    seen: dict[str, None] = {}
    for part in parts:
        for name, said in part.definitions.items():
            key = orjson.dumps(name) + b":{"
            if name not in seen and key not in local:
                seen[name] = None
                definitions += key[:-1] + orjson.dumps(said) + b","
        for path, said in part.paths.items():
            paths += orjson.dumps(path) + b":" + orjson.dumps(said) + b","
    if not local.startswith(_DEFINITIONS) or _PATHS not in local:
        return local
    whole = _DEFINITIONS + definitions + local[len(_DEFINITIONS) :]
    return whole.replace(_PATHS, b'"paths":{' + paths + b'"/', 1)


def as_protobuf(document: bytes) -> bytes:
    """In gnostic's message; takes a while."""
    return _run(gnostic(orjson.loads(document)))


def _run(steps: Generator[None, None, bytes]) -> bytes:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: bytes = end.value
            return value
