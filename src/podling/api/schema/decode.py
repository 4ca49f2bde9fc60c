"""Request bodies to checked objects, with upstream's answers to what is wrong with them.

The three modes are those of the query parameter `fieldValidation` (documentation page "API Concepts", field
validation): Strict refuses unknown and duplicate fields, Warn reports them as warnings, Ignore drops them silently.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from podling.api.errors import BadRequest
from podling.api.schema.check import Decoded, FieldTypeError, unknown_fields
from podling.api.schema.gojson import NotJson, Parsed, Twice, parse
from podling.api.schema.types import Type

Mode = Literal["Strict", "Warn", "Ignore"]
MOST_FINDINGS: Final = 100


def check(obj: Any, type_: Type, mode: str = "Strict", written: Any = None) -> Decoded:
    """A parsed value checked against its type, in place; unknown fields are dropped in every mode.

    `written` is `Parsed.written`, for duplicate keys. Raises FieldTypeError when a value does not fit its field.
    """
    repeated = [] if written is None or mode == "Ignore" else duplicate_fields(written, type_)
    value, findings = unknown_fields(obj, type_)
    if mode == "Ignore":
        return Decoded(value)
    findings = (*findings, *repeated)[:MOST_FINDINGS]
    return Decoded(value, warnings=findings) if mode == "Warn" else Decoded(value, errors=findings)


def decode(body: bytes | Parsed, type_: Type, *, kind: str, version: str, mode: str = "Strict") -> Decoded:
    """A JSON body (or what `parse` made of it) as an object of a kind. `kind` and `version` fill what it leaves out.

    Raises BadRequest with upstream's sentence: no JSON, another kind, a wrong type, in mode Strict also unknown and
    duplicate fields. Whether the body's group version is the endpoint's is the endpoint's question.
    """
    try:
        parsed = body if isinstance(body, Parsed) else parse(body)
    except NotJson as error:
        raise unrecognized(kind, f"couldn't get version/kind; json parse error: {error}", body) from None
    said_kind, said_version = said(parsed.value, kind, version)
    try:
        out = check(parsed.value, type_, mode, parsed.written)
    except FieldTypeError as error:
        raise cannot_handle(said_kind, said_version, kind, str(error)) from None
    if out.errors:
        raise cannot_handle(said_kind, said_version, kind, strict_error(out.errors))
    return out


def said(value: Any, kind: str, version: str) -> tuple[str, str]:
    """Kind and version (without group) as the object says them, the given ones where it says nothing."""
    if not isinstance(value, dict):
        return kind, version
    api_version, own = value.get("apiVersion"), value.get("kind")
    own_version = api_version.rpartition("/")[2] if isinstance(api_version, str) else ""
    return (own if isinstance(own, str) and own else kind), own_version or version


def strict_error(findings: tuple[str, ...]) -> str:
    """`strict decoding error: unknown field "spec.foo", unknown field "spec.bar"`."""
    return f"strict decoding error: {', '.join(findings)}"


def cannot_handle(kind: str, version: str, wanted: str, why: str) -> BadRequest:
    """`ReplicaSet in version "v1" cannot be handled as a ReplicaSet: …`."""
    return BadRequest(f'{kind} in version "{version}" cannot be handled as a {wanted}: {why}')


def unrecognized(kind: str, why: str, body: Any) -> BadRequest:
    """The answer to a body whose kind cannot even be read; it quotes the body's beginning."""
    data = bytes(body) if isinstance(body, bytes | bytearray | memoryview) else b""
    if not data:
        summary = "<empty>"
    elif data.startswith(b"{"):
        summary = data[:30].decode(errors="replace") + " ..." * (len(data) > 30)
    else:
        summary = data[:30].hex() + " ..." * (len(data) > 30)
    return BadRequest(f"the object provided is unrecognized (must be of type {kind}): {why} ({summary})")


def duplicate_fields(written: Any, type_: Type | None, path: str = "") -> list[str]:
    """`duplicate field "spec.replicas"` for each; objects without a schema may repeat what they like."""
    out: list[str] = []
    if isinstance(written, Twice) and type_ is not None and type_.shape in ("struct", "map"):
        for key, value in written.items():
            inner = f"{path}.{key}" if path else key
            if key in written.repeated:
                out.append(f'duplicate field "{inner}"')
            field = type_.fields.get(key)
            below = type_.element if type_.shape == "map" else field.type if field else None
            out += duplicate_fields(value, below, inner)
    elif isinstance(written, list) and type_ is not None and type_.shape == "list":
        for index, item in enumerate(written):
            out += duplicate_fields(item, type_.element, f"{path}[{index}]")
    return out
