"""Bodies of `application/vnd.kubernetes.protobuf`, read and written by the table's field numbers.

kubectl and programs built on client-go send them and do not fall back to JSON. A body is the bytes `k8s\\0`, then a
`runtime.Unknown` whose `raw` is the object. The result is what the object's JSON would decode to, zero values
included; the ordinary check (`check`) drops those afterwards.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from podling.api import times
from podling.api.errors import BadRequest
from podling.api.schema.framing import (
    LENGTH,
    Malformed,
    double,
    fields,
    put_bytes,
    put_double,
    put_varint,
    read_varint,
    signed,
)
from podling.api.schema.schemas import Schemas
from podling.api.schema.types import Field, Type

MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf"
MAGIC: Final = b"k8s\x00"


def is_protobuf(body: bytes | memoryview) -> bool:
    return bytes(body[:4]) == MAGIC


def decode_protobuf(body: bytes, schemas: Schemas) -> tuple[str, str, dict[str, Any]]:
    """(apiVersion, kind, object). Raises BadRequest when the body is malformed or of a kind without a type."""
    if not is_protobuf(body):
        raise BadRequest("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        api_version, kind, raw = _unknown(memoryview(body)[4:])
        group, _, version = api_version.rpartition("/")
        type_ = schemas.kind(group, version, kind)
        if type_ is None:
            raise BadRequest(f'no kind "{kind}" is registered for version "{api_version}"')
        return api_version, kind, {"apiVersion": api_version, "kind": kind} | decode_message(raw, type_)
    except Malformed as error:
        raise BadRequest(str(error)) from None
    except (UnicodeDecodeError, orjson.JSONDecodeError, times.BadTime) as error:
        raise BadRequest(f"unable to decode the protobuf body: {error}") from None


def _unknown(data: memoryview) -> tuple[str, str, bytes | memoryview]:
    """apiVersion, kind and raw bytes of a `runtime.Unknown`."""
    meta = {1: "", 2: ""}
    raw: bytes | memoryview = b""
    for number, wire, value in fields(data):
        if wire != LENGTH or isinstance(value, int):
            continue
        if number == 1:
            meta |= {inner: _text(text) for inner, _, text in fields(value) if inner in meta}
        elif number == 2:
            raw = value
    return meta[1], meta[2], raw


def decode_message(data: bytes | memoryview, type_: Type) -> dict[str, Any]:
    """A struct's message as its JSON object; unknown fields are skipped. Raises Malformed."""
    out: dict[str, Any] = {}
    by_number = type_.by_number
    for number, wire, value in fields(data):
        field = by_number.get(number)
        if field is None:
            continue
        inner = field.type
        if field.inline:
            out |= decode_message(_view(value), inner)
        elif inner.shape == "map":
            assert inner.element is not None
            key, item = _entry(_view(value), inner.element)
            out.setdefault(field.name, {})[key] = item
        elif inner.shape == "list" and not inner.message:
            assert inner.element is not None
            out.setdefault(field.name, []).extend(_items(value, wire, inner.element))
        else:
            item = _value(value, inner)
            if item is not None:
                out[field.name] = item
    return out


def _items(value: int | memoryview, wire: int, element: Type) -> list[Any]:
    """One element of a repeated field, or all of a packed one."""
    if wire == LENGTH and not isinstance(value, int) and element.shape in ("int32", "int64", "bool"):
        out, at = [], 0
        while at < len(value):
            number, at = read_varint(value, at)
            out.append(_value(number, element))
        return out
    return [_value(value, element)]


def _entry(data: memoryview, element: Type) -> tuple[str, Any]:
    """A map entry {key = 1, value = 2}; what is absent is zero."""
    key, found = "", None
    for number, _, value in fields(data):
        if number == 1:
            key = _text(value)
        elif number == 2:
            found = _value(value, element)
    if found is None:
        found = {} if element.shape == "struct" else "" if element.shape in ("string", "bytes") else None
    return key, found


def _view(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise Malformed("proto: wrong wireType = 0")
    return value


def _text(value: int | memoryview) -> str:
    return str(_view(value), "utf-8")


def _number(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise Malformed("proto: wrong wireType = 2")
    return signed(value)


def _parts(value: int | memoryview) -> dict[int, int | memoryview]:
    return {number: part for number, _, part in fields(_view(value))}


def _value(value: int | memoryview, type_: Type) -> Any:
    """The JSON value of a field; None where JSON says null."""
    reader = READERS.get(type_.shape)
    if reader is not None:
        return reader(value)
    if type_.shape == "struct":
        return decode_message(_view(value), type_)
    if type_.message:
        return [_text(item) for number, _, item in fields(_view(value)) if number == 1]
    if type_.shape.startswith("schemaor"):
        return _schema_or(_view(value), type_)
    if type_.shape == "list":
        # A list inside a map's value: no upstream type has one but those wrapped in a message.
        raise Malformed(f"proto: cannot decode a {type_.go}")
    return None


def _time(value: int | memoryview, *, micro: bool = False) -> str | None:
    if not len(_view(value)):
        return None
    parts = _parts(value)
    return times.from_unix(_number(parts.get(1, 0)), _number(parts.get(2, 0)), micro=micro)


def _int_or_string(value: int | memoryview) -> int | str:
    parts = _parts(value)
    if _number(parts.get(1, 0)) == 1:
        return _text(parts[3]) if 3 in parts else ""
    return _number(parts.get(2, 0))


def _raw(value: int | memoryview) -> Any:
    """RawExtension, FieldsV1 and JSON: JSON text in field 1."""
    raw = _parts(value).get(1)
    return orjson.loads(_view(raw)) if raw is not None and len(_view(raw)) else None


def _schema_or(data: memoryview, type_: Type) -> Any:
    """The unions of JSONSchemaProps."""
    schema = type_.fields["Schema"].type
    at = 2 if type_.shape == "schemaorbool" else 1
    parts = list(fields(data))
    for number, _, value in parts:
        if number == at:
            return decode_message(_view(value), schema)
    if type_.shape == "schemaorbool":
        return any(_number(value) for _, _, value in parts)
    if type_.shape == "schemaorarray":
        return [decode_message(_view(value), schema) for _, _, value in parts]
    return [_text(value) for _, _, value in parts]


READERS: Final[Mapping[str, Callable[[int | memoryview], Any]]] = {
    "string": _text,
    "bool": lambda value: _number(value) != 0,
    "int32": _number,
    "int64": _number,
    "float64": lambda value: double(_view(value)),
    "bytes": lambda value: base64.b64encode(_view(value)).decode(),
    "time": _time,
    "microtime": lambda value: _time(value, micro=True),
    "duration": lambda value: f"{_number(_parts(value).get(1, 0)) / 1e9:g}s",
    "quantity": lambda value: _text(_parts(value).get(1, memoryview(b""))) or "0",
    "intorstring": _int_or_string,
    "raw": _raw,
    "fields": _raw,
    "json": _raw,
}


def encode_protobuf(obj: Mapping[str, Any], type_: Type) -> bytes:
    """The body for an object's JSON: what programs that accept nothing else are answered with, and tests send."""
    meta = put_bytes(1, str(obj.get("apiVersion", "")).encode()) + put_bytes(2, str(obj.get("kind", "")).encode())
    return MAGIC + put_bytes(1, meta) + put_bytes(2, encode_message(obj, type_)) + put_bytes(3, b"") + put_bytes(4, b"")


def encode_message(obj: Mapping[str, Any], type_: Type) -> bytes:
    """A JSON object as its struct's message, fields in the order of their numbers."""
    out = []
    for number, field in sorted(type_.by_number.items()):
        if field.inline:
            out.append(put_bytes(number, encode_message(obj, field.type)))
        elif obj.get(field.name) is not None:
            out.append(_encode_field(number, obj[field.name], field))
    return b"".join(out)


def _encode_field(number: int, value: Any, field: Field) -> bytes:
    type_ = field.type
    if type_.shape == "map":
        assert type_.element is not None
        element = type_.element
        entries = (put_bytes(1, key.encode()) + _encode(2, item, element) for key, item in value.items())
        return b"".join(put_bytes(number, entry) for entry in entries)
    if type_.shape == "list" and not type_.message:
        assert type_.element is not None
        element = type_.element
        return b"".join(_encode(number, item, element) for item in value)
    return _encode(number, value, type_)


def _encode(number: int, value: Any, type_: Type) -> bytes:
    match type_.shape:
        case "struct":
            return put_bytes(number, encode_message(value, type_))
        case "string":
            return put_bytes(number, value.encode())
        case "bool" | "int32" | "int64":
            return put_varint(number, int(value))
        case "float64":
            return put_double(number, value)
        case "bytes":
            return put_bytes(number, base64.b64decode(value))
        case "time" | "microtime":
            seconds, nanos = times.to_unix(value)
            nanos = nanos if type_.shape == "microtime" else 0
            return put_bytes(number, put_varint(1, seconds) + put_varint(2, nanos))
        case "quantity":
            return put_bytes(number, put_bytes(1, value.encode()))
        case "intorstring":
            text = isinstance(value, str)
            inner = put_varint(1, text) + (put_bytes(3, value.encode()) if text else put_varint(2, value))
            return put_bytes(number, inner)
        case "raw" | "fields" | "json":
            return put_bytes(number, put_bytes(1, orjson.dumps(value)))
        case "schemaorbool" | "schemaorarray" | "schemaorstrings":
            return put_bytes(number, _encode_schema_or(value, type_))
    return put_bytes(number, b"".join(put_bytes(1, item.encode()) for item in value))


def _encode_schema_or(value: Any, type_: Type) -> bytes:
    schema = type_.fields["Schema"].type
    if isinstance(value, bool):
        return put_varint(1, value)
    if isinstance(value, dict):
        allowed = put_varint(1, 1) if type_.shape == "schemaorbool" else b""
        return allowed + put_bytes(2 if type_.shape == "schemaorbool" else 1, encode_message(value, schema))
    if type_.shape == "schemaorarray":
        return b"".join(put_bytes(2, encode_message(item, schema)) for item in value)
    return b"".join(put_bytes(2, item.encode()) for item in value)
