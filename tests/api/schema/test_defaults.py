"""Declared defaults fill what is absent, and make nothing around themselves."""

from __future__ import annotations

from typing import Any

from podling.api.schema import Type, apply_defaults, load

SCHEMAS = load()


def type_of(name: str) -> Type:
    return SCHEMAS.named(name)


def test_a_default_fills_an_absent_field_deep_inside() -> None:
    pod: dict[str, Any] = {"spec": {"containers": [{"ports": [{"containerPort": 80}, {"protocol": "UDP"}]}]}}
    apply_defaults(pod, type_of("core/v1.Pod"))
    assert [port["protocol"] for port in pod["spec"]["containers"][0]["ports"]] == ["TCP", "UDP"]


def test_nothing_is_made_around_a_default() -> None:
    pod: dict[str, Any] = {"spec": {}}
    apply_defaults(pod, type_of("core/v1.Pod"))
    assert pod == {"spec": {}}


def test_a_default_is_a_fresh_value_each_time() -> None:
    name = "flowcontrol/v1.ExemptPriorityLevelConfiguration"
    one: dict[str, Any] = {}
    apply_defaults(one, type_of(name))
    two: dict[str, Any] = {}
    apply_defaults(two, type_of(name))
    assert one == two


def test_types_without_defaults_are_not_walked() -> None:
    assert type_of("core/v1.ConfigMap").fill is None
