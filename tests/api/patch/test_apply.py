"""Applying configurations, held against a plain model of who owns which leaf."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.errors import Conflict
from podling.api.patch.apply import LAST_APPLIED, Application, Applied, apply
from podling.api.patch.compare import created
from podling.api.patch.config import sentence, violations
from podling.api.patch.fieldset import path_text, steps
from podling.api.patch.managedfields import Entry, Manager
from podling.api.patch.structure import Plan, plan_of
from podling.api.schema import load

SCHEMAS = load()
SERVICE, POD = SCHEMAS.named("core/v1.Service"), SCHEMAS.named("core/v1.Pod")
Json = dict[str, Any]
NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


@dataclass
class One:
    """One version only."""

    type: Any = field(default_factory=lambda: SERVICE)

    def plan(self, api_version: str) -> Plan | None:
        return plan_of(self.type) if api_version == "v1" else None

    def convert(self, obj: Json, old: str, new: str) -> Json:
        return obj


def laid(
    live: Json | None,
    entries: tuple[Entry, ...],
    config: Json,
    who: str = "alice",
    *,
    force: bool = False,
    now: str = NOW,
) -> Applied:
    wanted = Application(Manager(who, "Apply", "v1"), config, force, now, frozenset({"status"}))
    return apply(live, entries, wanted, One())


def service(**content: Any) -> Json:
    return {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "s"}, **content}


# The plain model: an object is a dict of leaves, a manager owns a set of them.


def leaves(obj: Json) -> dict[str, Any]:
    """Path as conflicts name it → value, for the parts the strategies below make."""
    metadata, spec = obj.get("metadata") or {}, obj.get("spec") or {}
    out = {f".metadata.labels.{name}": value for name, value in (metadata.get("labels") or {}).items()}
    out |= {f'.metadata.finalizers[="{each}"]': True for each in metadata.get("finalizers") or ()}
    for port in spec.get("ports") or ():
        key = f'.spec.ports[port={port["port"]},protocol="{port.get("protocol", "TCP")}"]'
        out |= {f"{key}.{name}": value for name, value in port.items()}
    if spec.get("selector"):
        out[".spec.selector"] = spec["selector"]
    if spec.get("type"):
        out[".spec.type"] = spec["type"]
    return out


@dataclass
class Model:
    live: dict[str, Any] = field(default_factory=dict)
    owned: dict[str, set[str]] = field(default_factory=dict)

    def conflicts(self, who: str, config: dict[str, Any]) -> set[tuple[str, str]]:
        return {
            (other, path)
            for other, paths in self.owned.items()
            for path in paths
            if other != who and path in config and self.live[path] != config[path]
        }

    def apply(self, who: str, config: dict[str, Any]) -> None:
        for other, path in self.conflicts(who, config):
            self.owned[other].discard(path)
        before = self.owned.get(who, set())
        self.owned[who] = set(config)
        held = set().union(*self.owned.values())
        self.live = {path: value for path, value in self.live.items() if path not in before - held} | config


names = st.sampled_from("abc")
ports = st.builds(
    lambda port, more: {"port": port, **more},
    st.sampled_from([80, 81, 443]),
    st.fixed_dictionaries(
        {}, optional={"name": names, "protocol": st.sampled_from(["TCP", "UDP"]), "nodePort": st.sampled_from([1, 2])}
    ),
)
port_lists = st.lists(ports, min_size=1, max_size=3, unique_by=lambda port: (port["port"], port.get("protocol", "TCP")))
specs = st.fixed_dictionaries(
    {},
    optional={
        "ports": port_lists,
        "selector": st.dictionaries(names, names, min_size=1, max_size=2),
        "type": st.sampled_from(["ClusterIP", "NodePort"]),
    },
)
metadatas = st.fixed_dictionaries(
    {"name": st.just("s")},
    optional={
        "labels": st.dictionaries(names, names, min_size=1),
        "finalizers": st.lists(st.sampled_from(["x/a", "x/b", "x/c"]), min_size=1, unique=True),
    },
)
configs = st.builds(
    lambda metadata, spec: service() | {"metadata": metadata} | ({"spec": spec} if spec else {}), metadatas, specs
)
managers = st.sampled_from(["alice", "bob", "carol"])


@given(st.lists(st.tuples(managers, configs, st.booleans()), min_size=1, max_size=7))
def test_any_course_of_applying_agrees_with_the_plain_model(course: list[tuple[str, Json, bool]]) -> None:
    model, live = Model(), None
    entries: tuple[Entry, ...] = ()
    for who, config, force in course:
        flat = leaves(config)
        conflicts = model.conflicts(who, flat)
        if conflicts and not force:
            with pytest.raises(Conflict) as refused:
                laid(live, entries, config, who)
            found = {(cause.message.split('"')[1], cause.field) for cause in refused.value.causes}
            assert found == conflicts
            continue
        live, entries = laid(live, entries, config, who, force=force)
        model.apply(who, flat)
        assert leaves(live) == model.live
        for entry in entries:
            own = {path_text(path) for path in steps(entry.fields)}
            assert own & model.live.keys() == model.owned[entry.manager.name]


@given(configs)
def test_the_same_configuration_twice_changes_nothing(config: Json) -> None:
    first = laid(None, (), config)
    assert laid(first.obj, first.entries, config, now=LATER) == first


@given(configs, configs)
def test_what_only_i_own_goes_with_the_last_of_my_configurations(mine: Json, theirs: Json) -> None:
    both = laid(*laid(None, (), theirs, "bob"), mine, "alice", force=True)
    left = laid(both.obj, both.entries, service(), "alice")
    shared = {path: value for path, value in leaves(theirs).items() if path not in leaves(mine)}
    assert shared.items() <= leaves(left.obj).items()
    assert leaves(laid(left.obj, left.entries, service(), "bob").obj) == {}


@given(configs, configs)
def test_managers_of_different_fields_never_conflict(mine: Json, theirs: Json) -> None:
    if not leaves(mine).keys() & leaves(theirs).keys():
        both = laid(*laid(None, (), mine, "alice"), theirs, "bob")
        assert leaves(both.obj) == leaves(mine) | leaves(theirs)


def test_the_configuration_and_the_live_object_stay_as_they_are() -> None:
    live, config = service(spec={"ports": [{"port": 80}]}), service(spec={"ports": [{"port": 81}]})
    new = laid(live, (), config).obj
    new["spec"]["ports"][1]["port"] = 99
    assert config["spec"]["ports"] == [{"port": 81}] and live["spec"]["ports"] == [{"port": 80}]


@pytest.mark.parametrize(
    ("live", "config", "merged"),
    [
        ([1, 2, 3], [2], [1, 2, 3]),
        ([1, 2], [3, 1], [3, 1, 2]),
        ([1, 2, 3], [3, 1], [2, 3, 1]),
        ([1, 2, 3, 4], [4, 2], [1, 3, 4, 2]),
        ([1], [2, 3], [1, 2, 3]),
    ],
    ids=str,
)
def test_elements_stand_as_the_configuration_orders_them(live: list[int], config: list[int], merged: list[int]) -> None:
    def ported(numbers: list[int]) -> Json:
        return service(spec={"ports": [{"port": number} for number in numbers]})

    new = laid(ported(live), (), ported(config)).obj
    assert [port["port"] for port in new["spec"]["ports"]] == merged


def test_an_object_without_a_record_belongs_to_before_first_apply() -> None:
    live = service(spec={"type": "NodePort"})
    with pytest.raises(Conflict) as refused:
        laid(live, (), service(spec={"type": "ClusterIP"}))
    assert refused.value.message == (
        'Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .spec.type'
    )


def _client_side(text: str) -> tuple[Json, tuple[Entry, ...]]:
    live = service(spec={"type": "NodePort", "ports": [{"port": 80}]})
    live["metadata"]["annotations"] = {LAST_APPLIED: text}
    return live, (Entry(Manager("kubectl-client-side-apply", "Update", "v1"), created(live, plan_of(SERVICE)), NOW),)


def test_kubectl_may_change_what_client_side_apply_set_and_keeps_its_annotation_right() -> None:
    text = '{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"type":"NodePort"}}'
    live, entries = _client_side(text)
    config = service(spec={"type": "ClusterIP"})
    new = laid(live, entries, config, "kubectl")
    assert new.obj["spec"]["type"] == "ClusterIP"
    assert '"type":"ClusterIP"' in new.obj["metadata"]["annotations"][LAST_APPLIED]
    with pytest.raises(Conflict):
        laid(live, entries, config, "alice")


def test_what_changed_since_client_side_apply_is_a_conflict_even_for_kubectl() -> None:
    text = '{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"type":"ClusterIP"}}'
    live, entries = _client_side(text)
    with pytest.raises(Conflict):
        laid(live, entries, service(spec={"type": "LoadBalancer"}), "kubectl")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"foo": 1}, ".spec.foo: field not declared in schema"),
        ({"containers": [{"name": "a", "imag": "x"}]}, '.spec.containers[name="a"].imag: field not declared in schema'),
        ({"containers": [{"name": "a"}, {"name": "a"}]}, '.spec.containers: duplicate entries for key [name="a"]'),
        (
            {"containers": [{"image": "a"}]},
            '.spec.containers: element 0: associative list with keys has an element that omits all key fields ["name"] '
            "(and doesn't have default values for any key fields)",
        ),
        ({"priority": "x"}, ".spec.priority: expected numeric (int or float), got string"),
        ({"hostname": 3}, ".spec.hostname: expected string, got &value.valueUnstructured{Value:3}"),
        ({"hostNetwork": "x"}, ".spec.hostNetwork: expected boolean, got &{x}"),
        ({"containers": {}}, ".spec.containers: expected list, got &{map[]}"),
        ({"a": 1, "b": 2}, "errors:\n  .spec.a: field not declared in schema\n  .spec.b: field not declared in schema"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_configurations_that_do_not_fit_are_refused_in_upstreams_words(spec: Json, said: str) -> None:
    assert sentence(violations({"kind": "Pod", "spec": spec}, POD)) == said


def test_quantities_are_compared_by_what_they_mean() -> None:
    config: Json = {"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "1000m", "memory": None}}}]}}
    assert violations(config, POD) == []
    assert config["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "1", "memory": None}
