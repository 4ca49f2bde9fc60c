"""An OpenAPI v2 document in gnostic's protobuf form, which is what older kubectl and client-go ask for.

The messages are those of `openapiv2/OpenAPIv2.proto` in github.com/google/gnostic; only what our documents contain is
written. Values without a fixed shape (extensions, defaults, enums) travel as YAML text, for which JSON will do.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Final

import orjson

from podling.api.schema.framing import put_bytes, put_varint

METHODS: Final = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}


def gnostic(document: Mapping[str, Any]) -> Generator[None, None, bytes]:
    """The protobuf bytes of a v2 document; a maker like those of `documents.py`, it yields after each part."""
    info = document["info"]
    paths, models = [], []
    for path, item in document["paths"].items():
        paths.append(_named(2, path, _path_item(item)))
        yield
    for name, schema in document["definitions"].items():
        models.append(_named(1, name, _schema(schema)))
        yield
    return b"".join(
        (
            _text(1, document["swagger"]),
            put_bytes(2, _text(1, info["title"]) + _text(2, info["version"])),
            put_bytes(8, b"".join(paths)),
            put_bytes(9, b"".join(models)),
        )
    )


def _text(number: int, value: str) -> bytes:
    return put_bytes(number, value.encode()) if value else b""


def _named(number: int, name: str, value: bytes) -> bytes:
    """An entry of a map: message {name = 1, value = 2}."""
    return put_bytes(number, _text(1, name) + put_bytes(2, value))


def _any(value: Any) -> bytes:
    return _text(2, orjson.dumps(value).decode() + "\n")


def _extensions(number: int, item: Mapping[str, Any]) -> bytes:
    return b"".join(_named(number, key, _any(value)) for key, value in item.items() if key.startswith("x-"))


def _path_item(item: Mapping[str, Any]) -> bytes:
    out = [put_bytes(METHODS[key], _operation(value)) for key, value in item.items() if key in METHODS]
    out += [put_bytes(9, _parameter(parameter)) for parameter in item.get("parameters", ())]
    return b"".join(out) + _extensions(10, item)


def _operation(item: Mapping[str, Any]) -> bytes:
    out = [_text(1, tag) for tag in item["tags"]]
    out.append(_text(5, item["operationId"]))
    out += [_text(6, media) for media in item["produces"]]
    out += [_text(7, media) for media in item["consumes"]]
    out += [put_bytes(8, _parameter(parameter)) for parameter in item["parameters"]]
    answers = b"".join(_named(1, code, put_bytes(1, _response(answer))) for code, answer in item["responses"].items())
    out.append(put_bytes(9, answers))
    out += [_text(10, scheme) for scheme in item["schemes"]]
    return b"".join(out) + _extensions(13, item)


def _response(item: Mapping[str, Any]) -> bytes:
    schema = put_bytes(2, put_bytes(1, _schema(item["schema"]))) if "schema" in item else b""
    return _text(1, item["description"]) + schema


def _parameter(item: Mapping[str, Any]) -> bytes:
    """A ParametersItem: body parameters and the others are different messages."""
    required = item.get("required", False)
    if item["in"] == "body":
        body = _text(2, item["name"]) + _text(3, "body") + (put_varint(4, 1) if required else b"")
        return put_bytes(1, put_bytes(1, body + put_bytes(5, _schema(item["schema"]))))
    out = (put_varint(1, 1) if required else b"") + _text(2, item["in"]) + _text(4, item["name"])
    unique = bool(item.get("uniqueItems"))
    if item["in"] == "path":
        out += _text(5, item["type"]) + (put_varint(19, 1) if unique else b"")
        return put_bytes(1, put_bytes(2, put_bytes(4, out)))
    out += _text(6, item["type"]) + (put_varint(20, 1) if unique else b"")
    return put_bytes(1, put_bytes(2, put_bytes(3, out)))


def _schema(item: Mapping[str, Any]) -> bytes:
    out = [_text(1, item.get("$ref", "")), _text(2, item.get("format", "")), _text(4, item.get("description", ""))]
    if "default" in item:
        out.append(put_bytes(5, _any(item["default"])))
    out += [_text(19, name) for name in item.get("required", ())]
    out += [put_bytes(20, _any(value)) for value in item.get("enum", ())]
    if "additionalProperties" in item:
        out.append(put_bytes(21, put_bytes(1, _schema(item["additionalProperties"]))))
    if "type" in item:
        out.append(put_bytes(22, _text(1, item["type"])))
    if "items" in item:
        out.append(put_bytes(23, put_bytes(1, _schema(item["items"]))))
    if "properties" in item:
        inner = b"".join(_named(1, name, _schema(value)) for name, value in item["properties"].items())
        out.append(put_bytes(25, inner))
    return b"".join(out) + _extensions(31, item)
