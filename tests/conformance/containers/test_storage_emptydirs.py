"""Volumes of kind emptyDir, as containers see them: who may do what, on disk and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from tests.conformance.containers.pods import IMAGE, pod
from tests.conformance.containers.together import Together, together
from tests.conformance.kube import Json, Kube

MOUNT: Json = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
USERS, MODES, MEDIA = {"root": 0, "non-root": 1001}, ("0644", "0666", "0777"), {"default": "", "tmpfs": "Memory"}
STRANGER = 2002
MAY = {"0644": "r", "0666": "rw", "0777": "rwx"}
"""What the mode of a file lets others do."""
ROOT = "while read _ _ _ root place _; do test $place = /v && echo $root; done < /proc/self/mountinfo"
"""Which folder of its file system is mounted: the top, where the file system is the volume's own."""
FOLDER = f"stat -c '%a %u:%g' /v; {ROOT}; stat -f -c %T /v"


def volume(medium: str) -> list[Json]:
    return [{"name": "v", "emptyDir": {"medium": MEDIA[medium]}}]


def with_a_file(user: str, mode: str, medium: str) -> Json:
    """One container makes a file with this mode, then a stranger tells what he may do with it."""
    makes = f"{FOLDER}; echo hello > /v/f; chmod {mode} /v/f; stat -c '%a %u' /v/f; cat /v/f"
    tries = "for may in r w x; do test -$may /v/f && printf $may; done; echo"
    maker = {
        "name": "maker",
        "image": IMAGE,
        "command": ["sh", "-c", makes],
        "securityContext": {"runAsUser": USERS[user]},
        **MOUNT,
    }
    stranger = {"securityContext": {"runAsUser": STRANGER}, **MOUNT}
    name = f"{user}-{mode}-{medium}"
    return pod(name, tries, container=stranger, initContainers=[maker], volumes=volume(medium))


def shared() -> Json:
    """Two containers that run at the same time."""
    writer = {"name": "writer", "image": IMAGE, "command": ["sh", "-c", "echo hello > /v/x; mv /v/x /v/f"], **MOUNT}
    reads = "until test -e /v/f; do sleep 0.02; done; cat /v/f"
    body = pod("shared", reads, container=MOUNT, volumes=volume("default"))
    body["spec"]["containers"].append(writer)
    return body


@pytest.fixture(scope="module")
def seen(kube: Kube) -> Iterator[Together]:
    pods = [with_a_file(*case) for case in product(USERS, MODES, MEDIA)]
    pods += [pod(f"empty-{medium}", FOLDER, container=MOUNT, volumes=volume(medium)) for medium in MEDIA]
    with together(kube, [*pods, shared()]) as found:
        yield found


@pytest.mark.conformance(
    "[sig-storage] EmptyDir volumes volume on default medium should have the correct mode "
    "[LinuxOnly] [Conformance] [NodeConformance]"
)
def test_everybody_may_write_to_an_empty_directory(seen: Together) -> None:
    mode, root, _ = seen.said("empty-default")
    assert mode == "777 0:0"
    assert root.endswith("/volumes/v")


@pytest.mark.conformance(
    "[sig-storage] EmptyDir volumes volume on tmpfs should have the correct mode "
    "[LinuxOnly] [Conformance] [NodeConformance]"
)
def test_everybody_may_write_to_one_in_memory(seen: Together) -> None:
    assert seen.said("empty-tmpfs") == ["1777 0:0", "/", "tmpfs"]


@pytest.mark.parametrize(
    ("user", "mode", "medium"),
    [
        pytest.param(
            *case,
            marks=pytest.mark.conformance(
                f"[sig-storage] EmptyDir volumes should support ({','.join(case)}) "
                "[LinuxOnly] [Conformance] [NodeConformance]"
            ),
        )
        for case in product(USERS, MODES, MEDIA)
    ],
)
def test_a_file_has_the_owner_and_the_mode_it_was_given(seen: Together, user: str, mode: str, medium: str) -> None:
    name = f"{user}-{mode}-{medium}"
    folder, root, kind, *file = seen.said(name, "maker")
    assert folder == ("1777 0:0" if medium == "tmpfs" else "777 0:0")
    assert (root == "/" and kind == "tmpfs") is (medium == "tmpfs")
    assert file == [f"{mode[1:]} {USERS[user]}", "hello"]
    assert seen.said(name) == [MAY[mode]]


@pytest.mark.conformance(
    "[sig-storage] EmptyDir volumes pod should support shared volumes between containers [Conformance]"
)
def test_containers_of_a_pod_share_a_volume(seen: Together) -> None:
    assert seen.said("shared") == ["hello"]
