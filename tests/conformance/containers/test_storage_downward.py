"""What a Pod is told of itself in files, as a downwardAPI volume or projected; and all sources in one folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.containers.pods import pod
from tests.conformance.containers.sources import data, mounting, slug
from tests.conformance.containers.together import Together, look, together
from tests.conformance.kube import Json, Kube

GROUPS = {"Downward API volume": False, "Projected downwardAPI": True}
"""Upstream's name of a group of behaviours → whether the source is projected."""
ALL = "[Conformance] [NodeConformance]"
RESOURCES = {
    "limits": {"cpu": "1250m", "memory": "64Mi"},
    "requests": {"cpu": "20m", "memory": "32Mi"},
}
ASKED = {
    "cpu limit": ("limits.cpu", "1m", "1250"),
    "memory limit": ("limits.memory", "1Mi", "64"),
    "cpu request": ("requests.cpu", "1m", "20"),
    "memory request": ("requests.memory", "1Mi", "32"),
}


def volume(projected: bool, items: list[Json], mode: int | None = None) -> Json:
    source: Json = {"downwardAPI": {"items": items}}
    modes = {} if mode is None else {"defaultMode": mode}
    return {"projected": {"sources": [source], **modes}} if projected else {"downwardAPI": {"items": items, **modes}}


def field(path: str, wanted: str, **more: object) -> Json:
    return {"path": path, "fieldRef": {"fieldPath": wanted}, **more}


def amount(path: str, resource: str, divisor: str) -> Json:
    return {"path": path, "resourceFieldRef": {"containerName": "c", "resource": resource, "divisor": divisor}}


def pods(group: str) -> Iterator[Json]:
    projected, name = GROUPS[group], slug(group)
    modes = [field("default", "metadata.name"), field("deep/own", "metadata.name", mode=0o400)]
    mounts = mounting(v=volume(projected, modes, 0o440))
    yield pod(f"{name}-modes", look("/v/default", "/v/deep/own"), **mounts)
    mounts = mounting(v=volume(projected, [field("podname", "metadata.name")]))
    yield pod(f"{name}-plain", f"ls /v; {look('/v/podname')}", **mounts)
    items = [amount(slug(what), resource, divisor) for what, (resource, divisor, _) in ASKED.items()]
    for kind, resources in (("limited", RESOURCES), ("unlimited", {})):
        mounts = mounting(v=volume(projected, items))
        mounts["container"]["resources"] = resources
        yield pod(f"{name}-{kind}", "cd /v; grep . *", **mounts)


def combined() -> Json:
    """A volume of every source there is."""
    sources: list[Json] = [
        {"downwardAPI": {"items": [field("podname", "metadata.name")]}},
        {"secret": {"name": "hidden", "items": [{"key": "password", "path": "secret/password"}]}},
        {"configMap": {"name": "open", "items": [{"key": "colour", "path": "config/colour", "mode": 0o600}]}},
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 600, "audience": "somebody"}},
    ]
    files = "find -L * -type f | sort; cat podname secret/password config/colour; echo"
    script = f"cd /all; {files}; cut -c1-2 token; stat -f -c %T ."
    return pod("combined", script, **mounting(all={"projected": {"sources": sources}}))


@pytest.fixture(scope="module")
def seen(kube: Kube) -> Iterator[Together]:
    objects = [
        ("v1/configmaps", data("configMap", "open", {"colour": "red", "shape": "round"})),
        ("v1/secrets", data("secret", "hidden", {"password": "s3cret"})),
    ]
    with together(kube, [*(each for group in GROUPS for each in pods(group)), combined()], objects) as found:
        yield found


def shown(title: str) -> pytest.MarkDecorator:
    return pytest.mark.conformance(f"[sig-storage] {title} {ALL}")


@pytest.mark.parametrize(
    ("group", "what"),
    [
        pytest.param(group, what, marks=shown(f"{group} should provide container's {what}"))
        for group in GROUPS
        for what in ASKED
    ],
)
def test_requests_and_limits_are_told_in_the_unit_that_was_asked_for(seen: Together, group: str, what: str) -> None:
    assert f"{slug(what)}:{ASKED[what][2]}" in seen.said(f"{slug(group)}-limited")


@pytest.mark.parametrize(
    ("group", "resource"),
    [
        pytest.param(
            group,
            resource,
            marks=shown(
                f"{group} should provide node allocatable ({resource}) as default {resource} limit if the limit is "
                "not set"
            ),
        )
        for group in GROUPS
        for resource in ("cpu", "memory")
    ],
)
def test_without_a_limit_all_that_the_node_has_is_told(kube: Kube, seen: Together, group: str, resource: str) -> None:
    (node,) = kube.at("v1/nodes").items()
    has = node["status"]["allocatable"][resource]
    wanted = int(has) * 1000 if resource == "cpu" else -(-int(has.removesuffix("Ki")) // 1024)
    assert f"{resource}-limit:{wanted}" in seen.said(f"{slug(group)}-unlimited")


@pytest.mark.parametrize(
    "group", [pytest.param(group, marks=shown(f"{group} should provide podname only")) for group in GROUPS]
)
def test_a_pod_is_told_its_name(seen: Together, group: str) -> None:
    name = f"{slug(group)}-plain"
    assert seen.said(name) == ["podname", "/v/podname 644 0:0", name]


@pytest.mark.parametrize(
    ("group", "path", "mode"),
    [
        pytest.param(group, path, mode, marks=shown(f"{group} should set {words} [LinuxOnly]"))
        for group in GROUPS
        for path, mode, words in (
            ("/v/default", "440", "DefaultMode on files"),
            ("/v/deep/own", "400", "mode on item file"),
        )
    ],
)
def test_files_have_the_mode_of_the_volume_or_their_own(seen: Together, group: str, path: str, mode: str) -> None:
    name = f"{slug(group)}-modes"
    lines = seen.said(name)
    assert lines[lines.index(f"{path} {mode} 0:0") + 1] == name


@pytest.mark.conformance(
    "[sig-storage] Projected combined should project all components that make up the projection API "
    "[Projection] [Conformance] [NodeConformance]"
)
def test_sources_of_every_kind_share_a_folder(seen: Together) -> None:
    *names, values, token, kind = seen.said("combined")
    assert names == ["config/colour", "podname", "secret/password", "token"]
    assert values == "combineds3cretred"
    assert (token, kind) == ("ey", "tmpfs")
