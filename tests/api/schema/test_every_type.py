"""Properties that hold for objects of every kind in the table, made from the types themselves."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podling.api.schema import Type, apply_defaults, check, decode_protobuf, encode_protobuf, load, marker_causes, parse

SCHEMAS = load()
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(alphabet='ab:"\\é ', max_size=4),
    "bool": st.booleans(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "bytes": st.sampled_from(["", "YWI=", "AAEC"]),
    "time": st.sampled_from(["2024-01-02T03:04:05Z", "1999-12-31T23:59:59Z"]),
    "microtime": st.just("2024-01-02T03:04:05.123456Z"),
    "quantity": st.sampled_from(["1", "500m", "1Gi", "2k"]),
    "intorstring": st.integers(0, 70000) | st.sampled_from(["http", "25%"]),
    "raw": st.just({"a": [1, None]}),
    "fields": st.just({"f:spec": {}}),
    "json": st.sampled_from([{"x": 1}, "text", 5, [True]]),
    "schemaorbool": st.booleans(),
    "schemaorarray": st.just([{"type": "string"}]),
    "schemaorstrings": st.just(["a", "b"]),
}


@st.composite
def values(draw: st.DrawFn, type_: Type, depth: int = 6) -> Any:
    """A value of a type: some of its fields, none below a depth."""
    if type_.shape in SCALARS:
        return draw(SCALARS[type_.shape])
    if type_.element is not None:
        size = draw(st.integers(0, 2)) if depth > 0 else 0
        items = [draw(values(type_.element, depth - 1)) for _ in range(size)]
        return items if type_.shape == "list" else {f"k{at}": item for at, item in enumerate(items)}
    names = sorted(name for name in type_.fields if name not in ("apiVersion", "kind"))
    if depth <= 0 or not names:
        return {}
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=4))
    return {name: draw(values(type_.fields[name].type, depth - 1)) for name in chosen}


KINDS = [
    (group_version, row.kind)
    for group_version, rows in SCHEMAS.resources.items()
    for name, row in rows.items()
    if "/" not in name and SCHEMAS.kind(*group_version.rpartition("/")[::2], row.kind) is not None
]


@st.composite
def objects(draw: st.DrawFn) -> tuple[Type, dict[str, Any]]:
    group_version, kind = draw(st.sampled_from(KINDS))
    group, _, version = group_version.rpartition("/")
    type_ = SCHEMAS.kind(group, version, kind)
    assert type_ is not None
    return type_, {"apiVersion": group_version, "kind": kind, **draw(values(type_))}


RELAXED = settings(max_examples=80, suppress_health_check=list(HealthCheck))


@RELAXED
@given(objects())
def test_an_object_made_from_its_type_is_accepted_and_then_at_rest(made: tuple[Type, dict[str, Any]]) -> None:
    type_, obj = made
    body = json.dumps(obj).encode()
    assert parse(body).written is None
    first = check(parse(body).value, type_)
    assert first.errors == ()
    again = check(copy.deepcopy(first.value), type_)
    assert again.value == first.value


@RELAXED
@given(objects())
def test_an_object_made_from_its_type_survives_protobuf(made: tuple[Type, dict[str, Any]]) -> None:
    type_, obj = made
    wanted = check(copy.deepcopy(obj), type_).value
    api_version, kind, read = decode_protobuf(encode_protobuf(wanted, type_), SCHEMAS)
    assert (api_version, kind) == (obj["apiVersion"], obj["kind"])
    assert without_empty(check(read, type_).value) == without_empty(wanted)


@RELAXED
@given(objects())
def test_defaults_and_declared_rules_take_any_object(made: tuple[Type, dict[str, Any]]) -> None:
    type_, obj = made
    value = check(obj, type_).value
    apply_defaults(value, type_)
    before = copy.deepcopy(value)
    apply_defaults(value, type_)
    assert value == before
    assert all(cause.field for cause in marker_causes(value, type_))


def without_empty(value: Any) -> Any:
    """Protobuf cannot tell an empty list or map from none."""
    if isinstance(value, dict):
        inner = {key: without_empty(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item not in ([], {}, "", None) or item is False}
    return [without_empty(item) for item in value] if isinstance(value, list) else value
