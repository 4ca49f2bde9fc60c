"""Structural schemas as values meet them: pruning, defaults, every validation, JSONPaths."""

from __future__ import annotations

from typing import Any

import pytest

from podling.api.schema import load
from podling.api.schema.custom import Finding, compile_values, custom_type, ratcheted
from podling.api.schema.custom.defaulting import compile_defaulting
from podling.api.schema.custom.formats import FORMATS
from podling.api.schema.custom.jsonpath import BadPath, compile_path
from podling.api.schema.custom.pruning import compile_pruning
from podling.api.schema.decode import check

Json = dict[str, Any]


def obj(**properties: Json) -> Json:
    return {"type": "object", "properties": properties}


def findings(schema: Json, value: Any) -> list[str]:
    found: list[Finding] = []
    compile_values(schema)(value, (), found)
    return [f"{each.cause.field}: {each.cause.message}" for each in found]


def pruned(schema: Json, value: Any) -> Any:
    compile_pruning(schema)(value, (), [])
    return value


def defaulted(schema: Json, value: Any) -> Any:
    compile_defaulting(schema)(value)
    return value


TEXT = {"type": "string"}
FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def test_what_is_not_named_is_pruned() -> None:
    schema = obj(a=TEXT, b={"type": "array", "items": obj(c=TEXT)})
    value = {"a": "x", "z": 1, "b": [{"c": "y", "z": 2}]}
    assert pruned(schema, value) == {"a": "x", "b": [{"c": "y"}]}


def test_unknown_fields_are_kept_where_they_shall_be_and_pruned_below_named_ones() -> None:
    schema = {**obj(named=obj(a=TEXT)), "x-kubernetes-preserve-unknown-fields": True}
    value = {"named": {"a": "x", "z": 1}, "other": {"deep": [1]}}
    assert pruned(schema, value) == {"named": {"a": "x"}, "other": {"deep": [1]}}


def test_an_embedded_resource_keeps_what_every_object_has() -> None:
    schema = {**obj(spec=obj(a=TEXT)), "x-kubernetes-embedded-resource": True}
    value = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"a": "x", "z": 1}, "status": {}}
    wanted = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"a": "x"}}
    assert pruned(schema, value) == wanted


def test_defaults_fill_what_is_absent_in_objects_that_are_there() -> None:
    schema = obj(a={"type": "string", "default": "x"}, b=obj(c={"type": "integer", "default": 1}))
    assert defaulted(schema, {}) == {"a": "x"}
    assert defaulted(schema, {"b": {}}) == {"a": "x", "b": {"c": 1}}


def test_a_null_is_absent_unless_it_may_be_null() -> None:
    schema = obj(a={**TEXT, "default": "x"}, b={**TEXT, "nullable": True, "default": "x"}, c=TEXT)
    assert defaulted(schema, {"a": None, "b": None, "c": None}) == {"a": "x", "b": None}


VALIDATIONS: dict[str, tuple[Json, Any, list[str]]] = {
    "required": ({**obj(a=TEXT), "required": ["a"]}, {}, ["a: Required value"]),
    "exclusive": (
        obj(a={"type": "number", "minimum": 0, "exclusiveMinimum": True}),
        {"a": 0},
        ["a: Invalid value: 0: a in body should be greater than 0"],
    ),
    "multiple": (
        obj(a={"type": "integer", "multipleOf": 5}),
        {"a": 7},
        ["a: Invalid value: 7: a in body should be a multiple of 5"],
    ),
    "short": (
        obj(a={"type": "string", "minLength": 2}),
        {"a": "x"},
        ['a: Invalid value: "x": a in body should be at least 2 chars long'],
    ),
    "long": (obj(a={"type": "string", "maxLength": 2}), {"a": "xxx"}, ["a: Too long: may not be more than 2 bytes"]),
    "many": (
        obj(a={"type": "array", "maxItems": 1, "items": TEXT}),
        {"a": ["x", "y"]},
        ["a: Too many: 2: must have at most 1 item"],
    ),
    "few": (
        obj(a={"type": "object", "minProperties": 1}),
        {"a": {}},
        ["a: Invalid value: {}: a in body should have at least 1 properties"],
    ),
    "format": (
        obj(a={"type": "string", "format": "date-time"}),
        {"a": "today"},
        ['a: Invalid value: "today": a in body must be of type date-time: "today"'],
    ),
    "values of maps": (
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"k": "v"},
        ['k: Invalid value: "string": k in body must be of type integer: "string"'],
    ),
    "set": (
        obj(a={"type": "array", "x-kubernetes-list-type": "set", "items": TEXT}),
        {"a": ["x", "x"]},
        ['a[1]: Duplicate value: "x"'],
    ),
    "one of": (
        obj(a={**obj(b=TEXT, c=TEXT), "oneOf": [{"required": ["b"]}, {"required": ["c"]}]}),
        {"a": {"b": "x", "c": "y"}},
        ['<nil>: Invalid value: "": "a" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
    ),
    "any of": (
        obj(a={**FREE, "anyOf": [{"required": ["b"]}, {"required": ["c"]}]}),
        {"a": {}},
        ["a.b: Required value", '<nil>: Invalid value: "": "a" must validate at least one schema (anyOf)'],
    ),
    "not": (
        obj(a={"type": "string", "not": {"enum": ["bad"]}}),
        {"a": "bad"},
        ['<nil>: Invalid value: "": "a" must not validate the schema (not)'],
    ),
    "a whole number written as a float": (obj(a={"type": "integer"}), {"a": 3.0}, []),
    "null where it may be": (obj(a={"type": "string", "nullable": True}), {"a": None}, []),
    "an int or a string": (obj(a={"x-kubernetes-int-or-string": True}), {"a": "80%"}, []),
}


@pytest.mark.parametrize(("schema", "value", "wanted"), VALIDATIONS.values(), ids=VALIDATIONS.keys())
def test_values_are_validated_in_upstreams_words(schema: Json, value: Any, wanted: list[str]) -> None:
    assert findings(schema, value) == wanted


FORMAT_EXAMPLES = [
    ("ipv4", "10.0.0.1", "10.0.0.256"),
    ("cidr", "10.0.0.0/8", "10.0.0.0"),
    ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
    ("duration", "1h30m", "soon"),
    ("date", "2026-02-28", "2026-02-30"),
    ("date-time", "2026-01-01T00:00:00Z", "2026-01-01"),
    ("byte", "eA==", "%"),
    ("email", "a@example.com", "a"),
    ("hostname", "a.example.com", "-a"),
]


@pytest.mark.parametrize(("name", "good", "bad"), FORMAT_EXAMPLES)
def test_formats_tell_good_from_bad(name: str, good: str, bad: str) -> None:
    assert FORMATS[name](good)
    assert not FORMATS[name](bad)


def test_only_what_an_update_touches_has_to_be_right() -> None:
    schema = obj(a={"type": "integer", "maximum": 1}, b={"type": "integer", "maximum": 1})
    found: list[Finding] = []
    compile_values(schema)({"a": 5, "b": 6}, (), found)
    causes = ratcheted(found, {"a": 5, "b": 6}, {"a": 5, "b": 7}, schema)
    assert [cause.field for cause in causes] == ["b"]


def test_a_body_is_checked_like_that_of_a_built_in_kind() -> None:
    type_ = custom_type(obj(spec=obj(a=TEXT)), "Thing", load().named("meta/v1.ObjectMeta"))
    body = {"apiVersion": "x/v1", "kind": "Thing", "metadata": {"name": "a", "nope": 1}, "spec": {"a": "x", "z": 1}}
    checked = check(body, type_, "Strict")
    assert checked.errors == ('unknown field "metadata.nope"', 'unknown field "spec.z"')
    assert checked.value["spec"] == {"a": "x"}


PATHS = [
    (".spec.replicas", [3]),
    (".metadata.annotations['a.b/c']", ["x"]),
    (r".metadata.annotations.a\.b/c", ["x"]),
    ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
    (".spec.hosts[*]", ["one", "two"]),
    (".spec.hosts[-1]", ["two"]),
    (".spec.absent", []),
]


@pytest.mark.parametrize(("path", "wanted"), PATHS)
def test_a_path_finds_values(path: str, wanted: list[Any]) -> None:
    value = {
        "metadata": {"annotations": {"a.b/c": "x"}},
        "spec": {"replicas": 3, "hosts": ["one", "two"]},
        "status": {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]},
    }
    assert compile_path(path)(value) == wanted


def test_a_path_that_is_none_is_refused() -> None:
    with pytest.raises(BadPath):
        compile_path("spec.replicas")
