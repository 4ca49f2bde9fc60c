"""ConfigMaps and Secrets as files, mounted as such or projected: names, content, modes, owners."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.containers.pods import finished, pod
from tests.conformance.containers.sources import GROUPS, RESOURCES, data, mounting, slug, source
from tests.conformance.containers.together import Together, look, together
from tests.conformance.kube import Json, Kube

VALUES = {"data-1": "value-1", "data-2": "value-2"}
MAPPED: list[Json] = [{"key": "data-2", "path": "path/to/data-2"}]
USER: Json = {"runAsUser": 1000}
BYTES = bytes(range(256))
ALL = "[Conformance] [NodeConformance]"
LINUX = f"[LinuxOnly] {ALL}"


def entry(path: str, value: str, owner: str = "0:0", mode: str = "644") -> list[str]:
    """What `look` writes of a file."""
    return [f"{path} {mode} {owner}", value]


EVERY = entry("/v/data-1", "value-1") + entry("/v/data-2", "value-2")
CASES: dict[str, tuple[str, dict[str, Any], Json, list[str]]] = {
    f"consumable from pods in volume {ALL}": (
        f"ls /v; {look('/v/data-1', '/v/data-2')}",
        {},
        {},
        ["data-1", "data-2", *EVERY],
    ),
    f"consumable from pods in volume as non-root {ALL}": (
        f"id -u; {look('/v/data-1', '/v/data-2')}",
        {},
        USER,
        ["1000", *EVERY],
    ),
    f"consumable from pods in volume with defaultMode set {LINUX}": (
        look("/v/data-1"),
        {"mode": 0o400},
        {},
        entry("/v/data-1", "value-1", mode="400"),
    ),
    f"consumable from pods in volume with mappings {ALL}": (
        f"ls /v; {look('/v/path/to/data-2')}",
        {"items": MAPPED},
        {},
        ["path", *entry("/v/path/to/data-2", "value-2")],
    ),
    f"consumable from pods in volume with mappings as non-root {ALL}": (
        f"id -u; ls /v; {look('/v/path/to/data-2')}",
        {"items": MAPPED},
        USER,
        ["1000", "path", *entry("/v/path/to/data-2", "value-2")],
    ),
    f"consumable from pods in volume with mappings and Item mode set {LINUX}": (
        look("/v/path/to/data-2"),
        {"items": [{**MAPPED[0], "mode": 0o400}], "mode": 0o644},
        {},
        entry("/v/path/to/data-2", "value-2", mode="400"),
    ),
    f"consumable from pods in volume as non-root with defaultMode and fsGroup set {LINUX}": (
        f"id -u; id -G; {look('/v/data-1')}",
        {"mode": 0o400},
        {**USER, "fsGroup": 1001},
        ["1000", "0 1001", *entry("/v/data-1", "value-1", owner="0:1001", mode="440")],
    ),
}
ONLY = {" as non-root [": "configMap", "mappings as non-root": "configMap", "fsGroup": "secret"}
"""Upstream shows these of one kind only."""


def cases() -> Iterator[tuple[str, str, str]]:
    """(group, case, upstream's name of the behaviour)."""
    for group, (kind, _) in GROUPS.items():
        for case in CASES:
            if all(of == kind for words, of in ONLY.items() if words in case):
                words = case.replace("Item mode", "Item Mode") if kind == "secret" else case
                yield group, case, f"[sig-storage] {group} should be {words}"


def name_of(group: str, case: str) -> str:
    return f"{slug(group)}-{list(CASES).index(case)}"


def reading(group: str, case: str) -> Json:
    script, fields, security, _ = CASES[case]
    mounts = mounting(v=source(group, "both", **fields))
    return pod(name_of(group, case), script, securityContext=security, **mounts)


def twice(group: str) -> Json:
    script = look("/one/data-1", "/two/data-1")
    return pod(f"{slug(group)}-twice", script, **mounting(one=source(group, "both"), two=source(group, "both")))


BINARY: Json = {
    "metadata": {"name": "binary"},
    "data": {"text": "text"},
    "binaryData": {"bytes": base64.b64encode(BYTES).decode()},
}


@pytest.fixture(scope="module")
def seen(kube: Kube) -> Iterator[Together]:
    objects = [(resource, data(kind, "both", VALUES)) for kind, resource in RESOURCES.items()]
    pods = [reading(group, case) for group, case, _ in cases()] + [twice(group) for group in GROUPS]
    pods.append(pod("binary", "base64 -w0 /v/bytes; echo; cat /v/text", **mounting(v=source("ConfigMap", "binary"))))
    writes = "(echo x > /v/data-1 || echo x > /v/new) 2>/dev/null || echo refused"
    layout = f"readlink /v/..data /v/data-1; ls -A /v | wc -l; {writes}"
    pods += [pod(f"{slug(group)}-layout", layout, **mounting(v=source(group, "both"))) for group in GROUPS]
    with together(kube, pods, [*objects, ("v1/configmaps", BINARY)]) as found:
        yield found


@pytest.mark.parametrize(
    ("group", "case"),
    [
        pytest.param(group, case, marks=pytest.mark.conformance(title), id=name_of(group, case))
        for group, case, title in cases()
    ],
)
def test_files_have_their_names_contents_modes_and_owners(seen: Together, group: str, case: str) -> None:
    assert seen.said(name_of(group, case)) == CASES[case][3]


@pytest.mark.parametrize(
    "group",
    [
        pytest.param(
            group,
            marks=pytest.mark.conformance(
                f"[sig-storage] {group} should be consumable in multiple volumes in "
                f"{'the same' if kind == 'configMap' else 'a'} pod {ALL}"
            ),
        )
        for group, (kind, _) in GROUPS.items()
    ],
)
def test_one_object_may_be_mounted_twice(seen: Together, group: str) -> None:
    wanted = entry("/one/data-1", "value-1") + entry("/two/data-1", "value-1")
    assert seen.said(f"{slug(group)}-twice") == wanted


@pytest.mark.conformance(
    "[sig-storage] ConfigMap binary data should be reflected in volume [Conformance] [NodeConformance]"
)
def test_bytes_are_written_as_they_are(seen: Together) -> None:
    assert seen.said("binary") == [base64.b64encode(BYTES).decode(), "text"]


@pytest.mark.parametrize("group", GROUPS)
def test_files_are_links_through_one_that_moves_and_cannot_be_written(seen: Together, group: str) -> None:
    target, file, entries, end = seen.said(f"{slug(group)}-layout")
    assert target.startswith("..")
    assert file == "..data/data-1"
    assert entries == "4", "the state, the link to it, and one link a key"
    assert end == "refused"


@pytest.mark.conformance(
    "[sig-storage] Secrets should be able to mount in a volume regardless of a different secret existing with same "
    "name in different namespace [Conformance] [NodeConformance]"
)
def test_a_secret_of_the_same_name_elsewhere_is_another_one(kube: Kube, namespace: str, seen: Together) -> None:
    kube.at("v1/secrets", namespace).create(data("secret", "both", {"data-1": "elsewhere"}))
    body = pod("p", "ls /v; cat /v/data-1", **mounting(v=source("Secrets", "both")))
    assert finished(kube, namespace, body).splitlines() == ["data-1", "elsewhere"]
    plain = f"consumable from pods in volume {ALL}"
    assert "value-1" in seen.said(name_of("Secrets", plain))
