"""Checking a JSON value against a type: what `json.Unmarshal` into Go's struct and writing it again does upstream.

Wrong types end the check with Go's sentence; unknown fields are dropped and reported; nulls and zero values that Go
would omit disappear, zero values that Go always writes appear; quantities and times get their one spelling. The check
of a type is compiled once into nested closures, each with a dictionary of its fields: most of a check is then one
lookup and one comparison of classes a field. The value is changed in place.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from podling.api import known, quantity, times
from podling.api.schema.types import Check, Field, Path, Type

_TEMPLATED: Final = "core/v1.PodSpec"
INT32: Final = range(-(2**31), 2**31)
INT64: Final = range(-(2**63), 2**63)


class FieldTypeError(ValueError):
    """A value does not fit its field; the message is that of Go's JSON decoder."""


class Entry(NamedTuple):
    """How one field's value is checked."""

    cls: type
    """The Python class of a usual value."""
    omit: bool
    """Whether a zero value disappears."""
    deep: Check | None
    """What is still to be checked of a value of the usual class."""
    other: Check
    """Checks a value of another class, usually by refusing it."""


def strict_path(path: Path) -> str:
    """`spec.containers[0].name`."""
    out: list[str] = []
    while path:
        path, key, _ = path
        out.append(f"[{key}]" if key.__class__ is int else f".{key}")
    return "".join(reversed(out)).removeprefix(".")


def json_word(value: Any) -> str:
    """What Go calls a JSON value in its errors."""
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case dict():
            return "object"
        case list():
            return "array"
        case None:
            return "null"
    return "number"


def mismatch(value: Any, go: str, path: Path, word: str = "") -> FieldTypeError:
    """`json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool`."""
    word = word or json_word(value)
    names: list[str] = []
    struct = ""
    while path:
        path, key, owner = path
        if owner:
            names.append(key)
            struct = struct or owner
    if not struct:
        return FieldTypeError(f"json: cannot unmarshal {word} into Go value of type {go}")
    field = ".".join(reversed(names))
    return FieldTypeError(f"json: cannot unmarshal {word} into Go struct field {struct}.{field} of type {go}")


def _refuse(go: str) -> Check:
    def refuse(value: Any, path: Path, unknown: list[Path]) -> Any:
        raise mismatch(value, go, path)

    return refuse


def _refuse_number(go: str) -> Check:
    """Numbers of the wrong kind are quoted in the sentence."""

    def refuse(value: Any, path: Path, unknown: list[Path]) -> Any:
        raise mismatch(value, go, path, f"number {value!r}" if value.__class__ in (int, float) else "")

    return refuse


def _keep(value: Any, path: Path, unknown: list[Path]) -> Any:
    return value


def _integer(go: str, bounds: range) -> Check:
    low, high = bounds.start, bounds.stop

    def integer(value: Any, path: Path, unknown: list[Path]) -> Any:
        if low <= value < high:
            return value
        raise mismatch(value, go, path, f"number {value}")

    return integer


def _float(value: Any, path: Path, unknown: list[Path]) -> Any:
    if value.__class__ is int:
        return value
    raise mismatch(value, "float64", path)


def _quantity(value: Any, path: Path, unknown: list[Path]) -> Any:
    try:
        return quantity.canonical(value if value.__class__ is str else _number_text(value))
    except quantity.BadQuantity as error:
        raise FieldTypeError(str(error)) from None


def _number_text(value: Any) -> str:
    return repr(value) if value.__class__ in (int, float) else "?"


def _int_or_string(value: Any, path: Path, unknown: list[Path]) -> Any:
    if value.__class__ is int and value in INT32:
        return value
    raise mismatch(value, "int32", path, f"number {value!r}" if value.__class__ in (int, float) else "")


def _time(spell: Callable[[str], str]) -> Check:
    def time(value: Any, path: Path, unknown: list[Path]) -> Any:
        try:
            return spell(value)
        except times.BadTime as error:
            raise FieldTypeError(str(error)) from None

    return time


def _base64(value: str, path: Path, unknown: list[Path]) -> str:
    text = value.replace("\n", "").replace("\r", "") if "\n" in value or "\r" in value else value
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        bad = re.search(r"[^A-Za-z0-9+/]", text)
        at = bad.start() if bad else len(text) // 4 * 4
        raise FieldTypeError(f"illegal base64 data at input byte {at}") from None
    return text


def compile_check(type_: Type) -> Check:
    """The check of a whole value of a type: of any class, null too."""
    entry = _entry(type_, omit=False)

    def check(value: Any, path: Path, unknown: list[Path]) -> Any:
        if value.__class__ is entry.cls:
            return value if entry.deep is None else entry.deep(value, path, unknown)
        return zero(type_) if value is None else entry.other(value, path, unknown)

    return check


def _entry(type_: Type, *, omit: bool) -> Entry:
    go = type_.go
    match type_.shape:
        case "struct":
            return Entry(dict, False, type_.check_object, _refuse(go))
        case "list":
            assert type_.element is not None
            return Entry(list, omit, _list(type_.element), _refuse(go))
        case "map":
            assert type_.element is not None
            return Entry(dict, omit, _map(type_.element), _refuse(go))
        case "string" | "duration":
            return Entry(str, omit, None, _refuse(go))
        case "bool":
            return Entry(bool, omit, None, _refuse(go))
        case "int32":
            return Entry(int, omit, _integer(go, INT32), _refuse_number(go))
        case "int64":
            return Entry(int, omit, _integer(go, INT64), _refuse_number(go))
        case "float64":
            return Entry(float, omit, None, _float)
        case "quantity":
            return Entry(str, False, _quantity, _quantity)
        case "intorstring":
            return Entry(str, False, None, _int_or_string)
        case "time" | "microtime":
            spell = times.canonical if type_.shape == "time" else times.canonical_micro
            return Entry(str, False, _time(spell), _refuse("string"))
        case "bytes":
            return Entry(str, omit, _base64, _refuse(go))
        case "fields" | "raw":
            return Entry(dict, False, None, _keep)
    return _json_entry(type_)


def _json_entry(type_: Type) -> Entry:
    """The unions of JSONSchemaProps: a schema, or another kind of value."""
    match type_.shape:
        case "schemaorbool" | "schemaorarray" | "schemaorstrings":
            schema = type_.fields["Schema"].type
            return Entry(dict, False, _late(schema), _alternative(type_.shape, schema))
    return Entry(dict, False, None, _keep)


def _late(type_: Type) -> Check:
    """The check of a type that may be the one being compiled."""

    def late(value: Any, path: Path, unknown: list[Path]) -> Any:
        return type_.check(value, path, unknown)

    return late


def _alternative(shape: str, schema: Type) -> Check:
    def alternative(value: Any, path: Path, unknown: list[Path]) -> Any:
        if shape == "schemaorbool" and value.__class__ is bool:
            return value
        if shape == "schemaorarray" and value.__class__ is list:
            return [schema.check(item, (path, index, ""), unknown) for index, item in enumerate(value)]
        if shape == "schemaorstrings" and value.__class__ is list:
            return value
        raise mismatch(value, schema.go, path)

    return alternative


def compile_struct(type_: Type) -> Check:
    """The check of a dict against a struct; its fields are compiled when the first value comes."""
    owner = type_.name.rpartition(".")[2]
    plan: dict[str, Entry] = {}
    always: dict[str, Callable[[], Any]] = {}

    def compile_fields() -> None:
        for name, field in type_.fields.items():
            if _always_written(field):
                always[name] = _making_zero(field.type)
            plan[name] = _entry(field.type, omit=field.omitempty and not field.pointer)

    def struct(value: Any, path: Path, unknown: list[Path]) -> Any:
        if not plan and type_.fields:
            compile_fields()
        drop: list[str] | None = None
        for name, item in value.items():
            try:
                cls, omit, deep, other = plan[name]
            except KeyError:
                unknown.append((path, name, owner))
            else:
                if item.__class__ is cls:
                    if deep is not None:
                        new = deep(item, (path, name, owner), unknown)
                        if new is not item:
                            item = value[name] = new
                    if item or not omit:
                        continue
                elif item is not None:
                    value[name] = other(item, (path, name, owner), unknown)
                    continue
            drop = [name] if drop is None else [*drop, name]
        if drop is not None:
            for name in drop:
                del value[name]
        if always and not always.keys() <= value.keys():
            value |= {name: make() for name, make in always.items() if name not in value}
        return value

    return _remembering(struct) if type_.name == _TEMPLATED else struct


def _remembering(check: Check) -> Check:
    """Of a struct whose values mostly come from a few templates. Only good values are remembered."""

    @known.rewriting(256)
    def checked(value: Any) -> Any:
        unknown: list[Path] = []
        value = check(value, (), unknown)
        if unknown:
            raise FieldTypeError
        return value

    def remembered(value: Any, path: Path, unknown: list[Path]) -> Any:
        try:
            return checked(value)
        except FieldTypeError:
            return check(value, path, unknown)

    return remembered


def _always_written(field: Field) -> bool:
    """Whether Go writes the field even when nobody set it, and not as null."""
    if field.pointer or field.type.shape not in ("struct", "string", "bool", "int32", "int64", "float64", "quantity"):
        return False
    return field.type.shape == "struct" or not field.omitempty


def zero(type_: Type) -> Any:
    """What Go writes for a zero value (None for nil)."""
    match type_.shape:
        case "struct":
            return {name: zero(field.type) for name, field in type_.fields.items() if _always_written(field)}
        case "string":
            return ""
        case "bool":
            return False
        case "int32" | "int64" | "float64" | "intorstring":
            return 0
        case "quantity":
            return "0"
    return None


def _making_zero(type_: Type) -> Callable[[], Any]:
    """Makes `zero` anew each time: what is looked up in the type is so but once."""
    made = orjson.dumps(zero(type_))
    return dict if made == b"{}" else lambda: orjson.loads(made)


def _list(element: Type) -> Check:
    cls, _, deep, other = _entry(element, omit=False)

    def listing(value: Any, path: Path, unknown: list[Path]) -> Any:
        for index, item in enumerate(value):
            if item.__class__ is cls:
                if deep is None:
                    continue
                new = deep(item, (path, index, ""), unknown)
            elif item is None:
                new = zero(element)
            else:
                new = other(item, (path, index, ""), unknown)
            if new is not item:
                value[index] = new
        return value

    return listing


def _map(element: Type) -> Check:
    cls, _, deep, other = _entry(element, omit=False)
    # No bytes at all come back from the store as an empty text.
    null = "" if element.shape == "bytes" else None

    def mapping(value: Any, path: Path, unknown: list[Path]) -> Any:
        for key, item in value.items():
            if item.__class__ is cls:
                if deep is None:
                    continue
                new = deep(item, (path, key, ""), unknown)
            elif item is None:
                new = null if null is not None else zero(element)
            else:
                new = other(item, (path, key, ""), unknown)
            if new is not item:
                value[key] = new
        return value

    return mapping


class Decoded(msgspec.Struct, frozen=True):
    """A checked value: `errors` of strict validation (mode Strict), or `warnings` (mode Warn)."""

    value: Any
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def unknown_fields(value: Any, type_: Type) -> tuple[Any, tuple[str, ...]]:
    """Checks in place; the value and `unknown field "spec.foo"` for each field that was dropped."""
    unknown: list[Path] = []
    value = type_.check(value, (), unknown)
    return value, tuple(f'unknown field "{strict_path(path)}"' for path in unknown)
