"""Validation of values against a structural schema, in upstream's words.

Each node is compiled into a list of tests; a path is a chain that is only spelled out for what is wrong. The sentences
are those of kube-openapi's validation as the API server shows them: `spec.replicas in body must be of type integer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.schema.check import strict_path
from podling.api.schema.custom.formats import FORMATS
from podling.api.schema.custom.patterns import matcher
from podling.api.schema.custom.pruning import ROOT, Schema
from podling.api.schema.types import Path


class Finding(NamedTuple):
    """What is wrong, and where: `path` as a chain, for comparing with the old object."""

    path: Path
    cause: Cause


Test = Callable[[Any, Path, list[Finding]], None]


def compile_values(schema: Schema, *, root: bool = False) -> Test:
    """The test of a whole value; `root`: apiVersion, kind and metadata are checked elsewhere."""
    types, nullable = _types(schema), bool(schema.get("nullable"))
    classes = frozenset(cls for type_ in types for cls in _CLASSES.get(type_, ()))
    tests = [*_scalar_tests(schema), *_junctors(schema)]
    in_object, in_list = _object_test(schema, root=root), _list_test(schema)

    def test(value: Any, path: Path, found: list[Finding]) -> None:
        cls = value.__class__
        if value is None and nullable:
            return
        if types and cls not in classes and not ("integer" in types and cls is float and value.is_integer()):
            said = word(value)
            found.append(_typed(path, said, ",".join(types), said))
            return
        for one in tests:
            one(value, path, found)
        if cls is dict:
            in_object(value, path, found)
        elif cls is list:
            in_list(value, path, found)

    return test


_CLASSES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


def word(value: Any) -> str:
    """What JSON Schema calls a value."""
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case dict():
            return "object"
        case list():
            return "array"
    return "null"


def _types(schema: Schema) -> tuple[str, ...]:
    if schema.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    return (schema["type"],) if schema.get("type") else ()


def _name(path: Path) -> str:
    return strict_path(path)


def _typed(path: Path, value: Any, wanted: str, shown: Any) -> Finding:
    """The value's type, or its format, is another."""
    name = _name(path)
    text = f"{name} in body must be of type {wanted}: {causes.shown(shown)}"
    found = causes.invalid(name or "<nil>", value, text)
    return Finding(path, Cause("FieldValueTypeInvalid", found.message, found.field))


def _wrong(path: Path, value: Any, text: str) -> Finding:
    name = _name(path)
    return Finding(path, causes.invalid(name or "<nil>", value, f"{name} in body {text}"))


def _scalar_tests(schema: Schema) -> list[Test]:
    makers = (
        ("enum", _enum),
        ("pattern", _pattern),
        ("format", _format),
        ("minimum", _minimum),
        ("maximum", _maximum),
        ("multipleOf", _multiple_of),
        ("minLength", _min_length),
        ("maxLength", _max_length),
        ("minItems", _min_items),
        ("maxItems", _max_items),
        ("minProperties", _min_properties),
        ("maxProperties", _max_properties),
    )
    return [made for name, make in makers if name in schema and (made := make(schema)) is not None]


def _enum(schema: Schema) -> Test:
    allowed = list(schema["enum"])

    def test(value: Any, path: Path, found: list[Finding]) -> None:
        if not any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in allowed):
            shown = [one if isinstance(one, str) else causes.shown(one) for one in allowed]
            found.append(Finding(path, causes.unsupported(_name(path), value, shown)))

    return test


def _pattern(schema: Schema) -> Test | None:
    pattern = schema["pattern"]
    if not pattern:
        return None
    match = matcher(pattern)

    def test(value: Any, path: Path, found: list[Finding]) -> None:
        if value.__class__ is str and not match(value):
            found.append(_wrong(path, value, f"should match '{pattern}'"))

    return test


def _format(schema: Schema) -> Test | None:
    name = str(schema["format"])
    check = FORMATS.get(name) or FORMATS.get(name.replace("-", ""))
    if check is None:
        return _whole_numbers(name)

    def test(value: Any, path: Path, found: list[Finding]) -> None:
        if value.__class__ is str and not check(value):
            found.append(_typed(path, value, name, value))

    return test


def _whole_numbers(name: str) -> Test | None:
    bits = {"int32": 31, "int64": 63}.get(name)
    if bits is None:
        return None

    def test(value: Any, path: Path, found: list[Finding]) -> None:
        if value.__class__ is int and not -(2**bits) <= value < 2**bits:
            found.append(_wrong(path, value, f"must be of type integer with format {name}"))

    return test


def _number(value: Any) -> bool:
    return value.__class__ is int or value.__class__ is float


def _spell(bound: float) -> str:
    return f"{int(bound)}" if float(bound).is_integer() else f"{bound}"


def _minimum(schema: Schema) -> Test:
    bound, exclusive = schema["minimum"], bool(schema.get("exclusiveMinimum"))
    text = f"should be greater than {'' if exclusive else 'or equal to '}{_spell(bound)}"

    def test(value: Any, path: Path, found: list[Finding]) -> None:
        if _number(value) and (value < bound or (exclusive and value == bound)):
            found.append(_wrong(path, value, text))

    return test


def _maximum(schema: Schema) -> Test:
    bound, exclusive = schema["maximum"], bool(schema.get("exclusiveMaximum"))
    text = f"should be less than {'' if exclusive else 'or equal to '}{_spell(bound)}"

    def test(value: Any, path: Path, found: list[Finding]) -> None:
        if _number(value) and (value > bound or (exclusive and value == bound)):
            found.append(_wrong(path, value, text))

    return test


def _multiple_of(schema: Schema) -> Test:
    factor = schema["multipleOf"]

    def test(value: Any, path: Path, found: list[Finding]) -> None:
        if _number(value) and factor and not float(value / factor).is_integer():
            found.append(_wrong(path, value, f"should be a multiple of {_spell(factor)}"))

    return test


def _at_least(key: str, cls: type[str | list[Any] | dict[str, Any]], text: str) -> Callable[[Schema], Test]:
    def make(schema: Schema) -> Test:
        bound = schema[key]

        def test(value: Any, path: Path, found: list[Finding]) -> None:
            if isinstance(value, cls) and len(value) < bound:
                found.append(_wrong(path, value, text.format(bound)))

        return test

    return make


def _at_most(key: str, cls: type[str | list[Any] | dict[str, Any]]) -> Callable[[Schema], Test]:
    def make(schema: Schema) -> Test:
        bound = schema[key]

        def test(value: Any, path: Path, found: list[Finding]) -> None:
            if isinstance(value, cls) and len(value) > bound:
                name = _name(path)
                cause = causes.too_long(name, bound) if cls is str else causes.too_many(name, len(value), bound)
                found.append(Finding(path, cause))

        return test

    return make


_min_length = _at_least("minLength", str, "should be at least {} chars long")
_min_items = _at_least("minItems", list, "should have at least {} items")
_min_properties = _at_least("minProperties", dict, "should have at least {} properties")
_max_length = _at_most("maxLength", str)
_max_items = _at_most("maxItems", list)
_max_properties = _at_most("maxProperties", dict)


def _object_test(schema: Schema, *, root: bool) -> Test:
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    skipped = frozenset({"metadata"}) if embedded else ROOT if root else frozenset()
    properties = schema.get("properties") or {}
    below = {name: compile_values(each) for name, each in properties.items() if name not in skipped}
    rest = schema.get("additionalProperties")
    others = compile_values(rest) if isinstance(rest, Mapping) else None
    required = [name for name in schema.get("required") or () if name not in skipped or not root]

    def test(value: Any, path: Path, found: list[Finding]) -> None:
        for name in required:
            if name not in value:
                missing = (path, name, "")
                found.append(Finding(missing, causes.required(_name(missing))))
        for name, item in value.items():
            one = below.get(name, others if name not in skipped else None)
            if one is not None:
                one(item, (path, name, ""), found)
        if embedded:
            _embedded(value, path, found)

    return test


def _embedded(value: Mapping[str, Any], path: Path, found: list[Finding]) -> None:
    for name in ("apiVersion", "kind"):
        if not value.get(name):
            missing = (path, name, "")
            found.append(Finding(missing, causes.required(_name(missing), "must not be empty")))


def _list_test(schema: Schema) -> Test:
    inner = schema.get("items")
    items = compile_values(inner) if isinstance(inner, Mapping) else None
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or ()
    fallback = {key: ((inner or {}).get("properties") or {}).get(key, {}).get("default") for key in keys}

    def test(value: Any, path: Path, found: list[Finding]) -> None:
        if items is not None:
            for index, item in enumerate(value):
                items(item, (path, index, ""), found)
        if kind == "set":
            _distinct(value, value, path, found)
        elif kind == "map":
            maps = [item if isinstance(item, dict) else {} for item in value]
            _distinct([{key: item.get(key, fallback[key]) for key in keys} for item in maps], value, path, found)

    return test


def _distinct(identities: Sequence[Any], value: Sequence[Any], path: Path, found: list[Finding]) -> None:
    seen: set[str] = set()
    for index, identity in enumerate(identities):
        text = causes.shown(identity)
        if text in seen:
            here = (path, index, "")
            shown = (
                {key: one for key, one in identity.items() if one is not None}
                if isinstance(identity, dict)
                else identity
            )
            found.append(Finding(here, causes.duplicate(_name(here), shown)))
        seen.add(text)


def _junctors(schema: Schema) -> Iterable[Test]:
    if all_of := schema.get("allOf"):
        yield _all_of([compile_values(each) for each in all_of])
    if any_of := schema.get("anyOf"):
        yield _some_of([compile_values(each) for each in any_of], "at least one schema (anyOf)", exactly=False)
    if one_of := schema.get("oneOf"):
        yield _some_of([compile_values(each) for each in one_of], "one and only one schema (oneOf).", exactly=True)
    if (inner := schema.get("not")) is not None:
        yield _not(compile_values(inner))


def _composed(path: Path, text: str) -> Finding:
    """Upstream says the path inside of the sentence only."""
    return Finding(path, causes.invalid("<nil>", "", f'"{_name(path)}" {text}'))


def _tried(test: Test, value: Any, path: Path) -> list[Finding]:
    found: list[Finding] = []
    test(value, path, found)
    return found


def _all_of(tests: Sequence[Test]) -> Test:
    def test(value: Any, path: Path, found: list[Finding]) -> None:
        wrong = [each for each in (_tried(one, value, path) for one in tests) if each]
        for each in wrong:
            found += each
        if wrong:
            nothing = ". None validated" if len(wrong) == len(tests) else ""
            found.append(_composed(path, f"must validate all the schemas (allOf){nothing}"))

    return test


def _some_of(tests: Sequence[Test], wanted: str, *, exactly: bool) -> Test:
    def test(value: Any, path: Path, found: list[Finding]) -> None:
        outcomes = [_tried(one, value, path) for one in tests]
        valid = sum(not outcome for outcome in outcomes)
        if valid == 1 or (valid and not exactly):
            return
        text = f"must validate {wanted}"
        if exactly:
            text += f" Found {valid} valid alternatives" if valid else " Found none valid"
        if not valid:
            found += sorted(outcomes, key=len)[0]
        found.append(_composed(path, text))

    return test


def _not(inner: Test) -> Test:
    def test(value: Any, path: Path, found: list[Finding]) -> None:
        if not _tried(inner, value, path):
            found.append(_composed(path, "must not validate the schema (not)"))

    return test
