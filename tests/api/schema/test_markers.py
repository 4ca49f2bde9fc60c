"""Declared validation finds what the table knows to be wrong."""

from __future__ import annotations

from typing import Any

import pytest

from podling.api.schema import immutable_causes, load, marker_causes

SCHEMAS = load()


def found(obj: dict[str, Any], name: str) -> list[tuple[str, str]]:
    return [(cause.field, cause.message) for cause in marker_causes(obj, SCHEMAS.named(name))]


@pytest.mark.parametrize(
    ("obj", "name", "field", "says"),
    [
        (
            {"spec": {"containers": [{"imagePullPolicy": "Sometimes"}]}},
            "core/v1.Pod",
            "spec.containers[0].imagePullPolicy",
            'Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
        ),
        ({"endpoints": [{}]}, "discovery/v1.EndpointSlice", "endpoints[0].addresses", "Required value"),
        (
            {"endpoints": [{"addresses": ["10.0.0.1"] * 101}]},
            "discovery/v1.EndpointSlice",
            "endpoints[0].addresses",
            "Too many: 101: must have at most 100 items",
        ),
        (
            {"metadata": {"generation": -1}},
            "core/v1.ConfigMap",
            "metadata.generation",
            "Invalid value: -1: must be greater than or equal to 0",
        ),
    ],
)
def test_a_finding_names_field_and_rule(obj: dict[str, Any], name: str, field: str, says: str) -> None:
    assert (field, says) in found(obj, name)


def test_a_format_answers_with_the_validators_sentence() -> None:
    messages = [text for path, text in found({"handler": "Not_A_Label"}, "node/v1.RuntimeClass") if path == "handler"]
    assert messages[0].startswith('Invalid value: "Not_A_Label": a lowercase RFC 1123 label must consist of')


def test_an_immutable_field_may_not_change() -> None:
    type_ = SCHEMAS.named("storage/v1.VolumeAttachment")
    old = {"spec": {"attacher": "a", "nodeName": "n"}}
    assert immutable_causes(old, old, type_) == []
    changed = immutable_causes({"spec": {"attacher": "b", "nodeName": "n"}}, old, type_)
    assert [cause.message.rpartition(": ")[2] for cause in changed] == ["field is immutable"]


def test_types_that_hold_themselves_are_looked_through_once() -> None:
    assert isinstance(SCHEMAS.named("apiextensions/v1.JSONSchemaProps").ruled, bool)
