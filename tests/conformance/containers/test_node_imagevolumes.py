"""sig-node: the files of an image as a volume."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.containers.pods import finished, pod
from tests.conformance.containers.test_node_security import waits
from tests.conformance.kube import Json, Kube
from tests.e2e.harness import Cluster

FILES = "files:1"


@pytest.fixture(scope="module")
def files(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image of two layers that holds nothing but files."""
    context: Path = tmp_path_factory.mktemp("files")
    (context / "dir").mkdir()
    (context / "dir" / "file").write_text("one\n")
    (context / "tool").write_text("#!/bin/sh\necho ran\n")
    (context / "tool").chmod(0o755)
    (context / "Containerfile").write_text("FROM scratch\nCOPY dir /dir\nCOPY tool /tool\n")
    cluster.podling("image", "build", "--tag", FILES, str(context)).ok()
    yield FILES


def showing(script: str, reference: str, policy: str, **mount: object) -> Json:
    mounts = [{"name": "v", "mountPath": "/volume", **mount}]
    volume = {"name": "v", "image": {"reference": reference, "pullPolicy": policy}}
    return pod("p", script, container={"volumeMounts": mounts}, volumes=[volume])


@pytest.mark.conformance(
    "[sig-node] ImageVolume should succeed with pod and pull policy of Always [LinuxOnly] [MinimumKubeletVersion:1.35] "
    "[Conformance]"
)
def test_an_image_is_a_volume_that_nobody_writes_to(kube: Kube, namespace: str, files: str) -> None:
    script = "ls /volume /volume/dir; cat /volume/dir/file; touch /volume/new || echo kept; /volume/tool || echo still"
    text = finished(kube, namespace, showing(script, files, "Always"))
    lines = text.splitlines()
    assert lines[:6] == ["/volume:", "dir", "tool", "", "/volume/dir:", "file"]
    assert "one" in lines and "kept" in lines and "still" in lines
    told = [event["message"] for event in kube.at("v1/events", namespace).items(fieldSelector="reason=Pulled")]
    assert any(f'"{files}"' in message for message in told)


def test_a_part_of_an_image_is_a_volume(kube: Kube, namespace: str, files: str) -> None:
    assert finished(kube, namespace, showing("cat /volume/file", files, "Never", subPath="dir")) == "one\n"


def test_an_image_on_the_machines_own_files_is_a_volume(kube: Kube, namespace: str) -> None:
    script = "test -x /volume/usr/bin/env && test -f /volume/etc/passwd && echo both"
    assert finished(kube, namespace, showing(script, "host:1", "IfNotPresent")).strip() == "both"


def test_an_image_that_cannot_be_had_is_told_in_the_containers_status(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(showing("true", "127.0.0.1:1/none:1", "IfNotPresent"))
    found = pods.until("p", waits("ImagePullBackOff"))
    message = found["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
    assert message.startswith('Back-off pulling image "127.0.0.1:1/none:1": ErrImagePull: ')
