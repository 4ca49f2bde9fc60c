"""What writes make of managedFields."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from podling.api.patch import managedfields
from podling.api.patch.compare import compare, created, set_of
from podling.api.patch.fieldset import steps
from podling.api.patch.managedfields import ANCIENT, Entry, Manager, sent, stored, updated, written
from podling.api.patch.structure import plan_of
from podling.api.schema import load

SCHEMAS = load()
MAP, POD_PLAN = plan_of(SCHEMAS.named("core/v1.ConfigMap")), plan_of(SCHEMAS.named("core/v1.Pod"))
Json = dict[str, Any]
NOW = "2026-01-02T03:04:05Z"


def config_map(data: Json | None) -> Json:
    metadata = {"name": "x", "namespace": "default", "uid": "u", "creationTimestamp": NOW, "generation": 3}
    out: Json = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata}
    return out if data is None else {**out, "data": data}


def write(entries: tuple[Entry, ...], name: str, old: Json, new: Json, now: str = NOW) -> tuple[Entry, ...]:
    return updated(entries, Manager(name, "Update", "v1"), lambda _: compare(old, new, MAP), lambda: now)


def owners(entries: tuple[Entry, ...]) -> dict[str, set[tuple[str, ...]]]:
    return {entry.manager.name: set(steps(entry.fields)) for entry in entries}


def test_a_new_objects_record_is_that_of_upstream() -> None:
    container = {"name": "c", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}], "resources": {}}
    pod = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p", "labels": {"run": "p"}},
        "spec": {"containers": [container], "dnsPolicy": "ClusterFirst", "securityContext": {}},
        "status": {"phase": "Pending"},
    }
    assert created(pod, POD_PLAN, frozenset({"status"})) == {
        "f:metadata": {"f:labels": {".": {}, "f:run": {}}},
        "f:spec": {
            ".": {},
            "f:containers": {
                ".": {},
                'k:{"name":"c"}': {
                    ".": {},
                    "f:image": {},
                    "f:name": {},
                    "f:ports": {
                        ".": {},
                        'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}, "f:protocol": {}},
                    },
                    "f:resources": {},
                },
            },
            "f:dnsPolicy": {},
            "f:securityContext": {},
        },
    }


def test_names_and_what_the_server_says_are_nobodys() -> None:
    assert created(config_map(None), MAP) == {} == set_of(config_map(None), MAP)


def test_atomic_lists_and_maps_are_one_field() -> None:
    pod = {"metadata": {}, "spec": {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "x"}]}}
    assert set_of(pod, POD_PLAN) == {"f:spec": {"f:nodeSelector": {}, "f:tolerations": {}}}


def test_an_update_takes_what_it_changes_from_everybody() -> None:
    first = config_map({"a": "1", "b": "1"})
    entries: tuple[Entry, ...] = (Entry(Manager("alice", "Update", "v1"), created(first, MAP), NOW),)
    entries = write(entries, "bob", first, config_map({"a": "2", "b": "1"}))
    assert owners(entries) == {
        "alice": {("f:data",), ("f:data", "f:b")},
        "bob": {("f:data", "f:a")},
    }


def test_what_vanishes_is_nobodys_and_an_entry_without_fields_goes() -> None:
    first, second = config_map({"a": "1"}), config_map({"a": "1", "b": "1"})
    entries: tuple[Entry, ...] = (Entry(Manager("alice", "Update", "v1"), created(first, MAP), NOW),)
    entries = write(entries, "bob", first, second)
    assert owners(write(entries, "carol", second, first)) == {"alice": {("f:data",), ("f:data", "f:a")}}


def test_time_is_that_of_the_last_change_a_manager_made() -> None:
    first, second = config_map({"a": "1"}), config_map({"a": "2"})
    entries: tuple[Entry, ...] = (Entry(Manager("alice", "Update", "v1"), created(first, MAP), NOW),)
    assert write(entries, "alice", first, first, "later") is entries
    assert [entry.time for entry in write(entries, "alice", first, second, "later")] == ["later"]
    emptied = write(entries, "alice", config_map({"a": "1", "b": "2"}), first, "later")
    assert [entry.time for entry in emptied] == [NOW]


def test_an_object_without_a_record_is_not_tracked() -> None:
    assert write((), "alice", config_map({"a": "1"}), config_map({"a": "2"})) == ()


def test_a_version_that_is_served_no_longer_loses_its_entries() -> None:
    first, second = config_map({"a": "1"}), config_map({"a": "2"})
    entries: tuple[Entry, ...] = (Entry(Manager("old", "Update", "v0"), created(first, MAP), NOW),)
    change = compare(first, second, MAP)
    after = updated(
        entries, Manager("new", "Update", "v1"), lambda version: change if version == "v1" else None, lambda: NOW
    )
    assert [entry.manager.name for entry in after] == ["new"]


def test_the_oldest_of_more_than_ten_updaters_become_ancient() -> None:
    data: Json = {"k": "v"}
    entries: tuple[Entry, ...] = (
        Entry(Manager("m00", "Update", "v1"), created(config_map(data), MAP), "2026-01-01T00:00:00Z"),
    )
    for at in range(1, 13):
        old, data = data, {**data, f"k{at}": "v"}
        entries = write(entries, f"m{at:02}", config_map(old), config_map(data), f"2026-01-01T00:00:{at:02}Z")
    found = {entry.manager.name: entry for entry in entries}
    assert sorted(found) == [ANCIENT, *(f"m{at:02}" for at in range(4, 13))]
    assert found[ANCIENT].time == "2026-01-01T00:00:03Z"
    every = set().union(*owners(entries).values())
    assert every == set(steps(created(config_map(data), MAP)))


def test_entries_are_written_appliers_first_and_then_by_time() -> None:
    tree: Json = {"f:data": {}}
    entries = [
        Entry(Manager("z", "Update", "v1"), tree, "2026-01-01T00:00:00Z"),
        Entry(Manager("a", "Update", "v1", "status"), tree, "2026-01-02T00:00:00Z"),
        Entry(Manager("x", "Apply", "v1"), tree, "2026-01-03T00:00:00Z"),
    ]
    shown = written(entries)
    assert [each["manager"] for each in shown] == ["x", "z", "a"]
    assert list(shown[2]) == ["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"]
    assert sorted(stored(shown)) == sorted(entries)


def test_nonsense_from_a_client_leaves_the_live_record() -> None:
    live = written([Entry(Manager("a", "Update", "v1"), {"f:data": {}}, NOW)])
    wrong: list[Any] = [[{"manager": "x"}], [1], [{}, {}], [{**live[0], "fieldsV1": {"x": {}}}], "x", [None]]
    for nonsense in wrong:
        assert sent(nonsense, live) == stored(live)
    assert sent(None, live) == stored(live)
    assert sent([], live) == sent([{}], live) == ()


texts = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("123"), max_size=5)


@given(st.lists(st.tuples(st.sampled_from(["x", "y", "z"]), texts), min_size=1, max_size=8))
def test_every_field_has_one_updater_the_last_who_changed_it(writes: list[tuple[str, dict[str, str]]]) -> None:
    old = config_map({"start": "0"})
    entries: tuple[Entry, ...] = (Entry(Manager("x", "Update", "v1"), created(old, MAP), NOW),)
    last = {"start": "x"}
    for who, data in writes:
        new = config_map({"start": "0", **data})
        entries = write(entries, who, old, new)
        for name in new["data"]:
            if old["data"].get(name) != new["data"][name]:
                last[name] = who
        last = {name: owner for name, owner in last.items() if name in new["data"]}
        old = new
    found = {
        path[1].removeprefix("f:"): name for name, paths in owners(entries).items() for path in paths if len(path) == 2
    }
    assert found == last


def test_the_words_of_a_manager_in_a_conflict() -> None:
    assert str(Manager("a", "Apply", "v1")) == '"a"'
    assert str(Manager("a", "Update", "apps/v1", "scale")) == '"a" with subresource "scale" using apps/v1'
    assert managedfields.MOST_UPDATERS == 10
