"""Volumes of Pods that run: what changes in the API is there before one can look twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.containers.pods import pod
from tests.conformance.containers.sources import GROUPS, RESOURCES, data, encoded, mounting, slug, source
from tests.conformance.containers.together import Together, together, watching
from tests.conformance.kube import Json, Kube

MAPS = [group for group, (kind, _) in GROUPS.items() if kind == "configMap"]
DOWNWARD = {"Downward API volume": False, "Projected downwardAPI": True}
ALL = "[Conformance] [NodeConformance]"
CHANGES = 20


def watcher(name: str, **sources: Json) -> Json:
    body = pod(name, "", **mounting(**sources))
    body["spec"]["containers"][0] |= watching(*(f"/{each}" for each in sources))
    return body


def following(group: str) -> Json:
    return watcher(f"{slug(group)}-update", v=source(group, f"{slug(group)}-moving"))


def hoping(group: str) -> Json:
    """A Pod with three volumes that need not have a source: it goes, it changes, it comes."""
    names = {name: source(group, f"{slug(group)}-{name}", optional=True) for name in ("goes", "changes", "comes")}
    return watcher(f"{slug(group)}-optional", **names)


def told(group: str, projected: bool, what: str) -> Json:
    items = [{"path": what, "fieldRef": {"fieldPath": f"metadata.{what}"}}]
    inner: Json = {"downwardAPI": {"items": items}}
    body = watcher(f"{slug(group)}-{what}", v={"projected": {"sources": [inner]}} if projected else inner)
    body["metadata"].setdefault(what, {})["key"] = "old"
    return body


@pytest.fixture(scope="module")
def seen(kube: Kube) -> Iterator[Together]:
    objects = []
    for group, (kind, _) in GROUPS.items():
        for name in ("goes", "changes"):
            objects.append((RESOURCES[kind], data(kind, f"{slug(group)}-{name}", {"key": "old"})))
    for group in MAPS:
        objects.append(("v1/configmaps", data("configMap", f"{slug(group)}-moving", {"one": "0", "two": "0"})))
    pods = [*map(following, MAPS), *map(hoping, GROUPS)]
    pods += [
        told(group, projected, what) for group, projected in DOWNWARD.items() for what in ("labels", "annotations")
    ]
    with together(kube, pods, objects) as found:
        yield found


def shown(title: str) -> pytest.MarkDecorator:
    return pytest.mark.conformance(f"[sig-storage] {title} {ALL}")


@pytest.mark.parametrize(
    "group", [pytest.param(group, marks=shown(f"{group} updates should be reflected in volume")) for group in MAPS]
)
def test_many_changes_end_in_the_last_one(seen: Together, group: str) -> None:
    name = f"{slug(group)}-update"
    seen.sees(name, {"/v/one": "0", "/v/two": "0"})
    for turn in range(1, CHANGES + 1):
        values = {"one": str(turn), "two": str(turn)}
        seen.kube.at("v1/configmaps", seen.namespace).patch(f"{slug(group)}-moving", {"data": values})
    seen.sees(name, {"/v/one": str(CHANGES), "/v/two": str(CHANGES)})


@pytest.mark.parametrize(
    "group",
    [pytest.param(group, marks=shown(f"{group} optional updates should be reflected in volume")) for group in GROUPS],
)
def test_what_may_be_missing_goes_changes_and_comes_while_the_pod_runs(seen: Together, group: str) -> None:
    kind, _ = GROUPS[group]
    name, objects = f"{slug(group)}-optional", seen.kube.at(RESOURCES[kind], seen.namespace)
    seen.sees(name, {"/goes/key": "old", "/changes/key": "old"})
    objects.delete(f"{slug(group)}-goes")
    seen.sees(name, {"/changes/key": "old"})
    values = {"key": encoded(kind, "new"), "more": encoded(kind, "more")}
    objects.patch(f"{slug(group)}-changes", {"data": values})
    seen.sees(name, {"/changes/key": "new", "/changes/more": "more"})
    objects.create(data(kind, f"{slug(group)}-comes", {"key": "come"}))
    seen.sees(name, {"/changes/key": "new", "/changes/more": "more", "/comes/key": "come"})


@pytest.mark.parametrize(
    ("group", "what"),
    [
        pytest.param(group, what, marks=shown(f"{group} should update {what} on modification"))
        for group in DOWNWARD
        for what in ("labels", "annotations")
    ],
)
def test_a_running_pod_is_told_its_new(seen: Together, group: str, what: str) -> None:
    name = f"{slug(group)}-{what}"
    mine = f'app="{name}"\n' if what == "labels" else ""
    seen.sees(name, {f"/v/{what}": f'{mine}key="old"'})
    seen.kube.at("v1/pods", seen.namespace).patch(name, {"metadata": {what: {"key": "new", "more": "1"}}})
    seen.sees(name, {f"/v/{what}": f'{mine}key="new"\nmore="1"'})
