"""sig-node: what a container runs, what it prints, and where it may not write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.containers.asking import LINGERS
from tests.conformance.containers.pods import finished, log, pod
from tests.conformance.kube import Kube, eventually
from tests.e2e.harness import Cluster


@pytest.fixture(scope="module")
def image(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image that prints its own name and its arguments."""
    context = tmp_path_factory.mktemp("image")
    Path(context, "Containerfile").write_text(
        'FROM host\nENTRYPOINT ["echo", "entrypoint"]\nCMD ["default", "words"]\n'
    )
    cluster.podling("image", "build", "--tag", "entry:1", str(context)).ok()
    return "entry:1"


@pytest.mark.conformance(
    "[sig-node] Containers should use the image defaults if command and args are blank [Conformance] [NodeConformance]"
)
def test_an_image_has_its_own_command_and_arguments(kube: Kube, namespace: str, image: str) -> None:
    body = pod("p", "", container={"image": image, "command": [], "args": []})
    assert finished(kube, namespace, body) == "entrypoint default words\n"


@pytest.mark.conformance(
    "[sig-node] Containers should be able to override the image's default arguments (container cmd) [Conformance]"
    " [NodeConformance]"
)
def test_arguments_replace_those_of_the_image(kube: Kube, namespace: str, image: str) -> None:
    body = pod("p", "", container={"image": image, "command": [], "args": ["override", "arguments"]})
    assert finished(kube, namespace, body) == "entrypoint override arguments\n"


@pytest.mark.conformance(
    "[sig-node] Containers should be able to override the image's default command (container entrypoint) [Conformance]"
    " [NodeConformance]"
)
def test_a_command_replaces_that_of_the_image_and_its_arguments(kube: Kube, namespace: str, image: str) -> None:
    body = pod("p", "", container={"image": image, "command": ["echo", "override"]})
    assert finished(kube, namespace, body) == "override\n"


@pytest.mark.conformance(
    "[sig-node] Containers should be able to override the image's default command and arguments [Conformance]"
    " [NodeConformance]"
)
def test_command_and_arguments_replace_those_of_the_image(kube: Kube, namespace: str, image: str) -> None:
    body = pod("p", "", container={"image": image, "command": ["echo", "override"], "args": ["arguments", "too"]})
    assert finished(kube, namespace, body) == "override arguments too\n"


@pytest.mark.conformance(
    "[sig-node] Kubelet when scheduling a busybox command in a pod should print the output to logs [Conformance]"
    " [NodeConformance]"
)
def test_what_a_container_prints_is_in_its_log(kube: Kube, namespace: str) -> None:
    script = f"echo 'Hello World'; echo aside >&2; {LINGERS}"
    kube.at("v1/pods", namespace).create(pod("p", script))
    # The two streams have an order each, and none between them.
    eventually(lambda: sorted(log(kube, namespace, "p").splitlines()) == ["Hello World", "aside"])


@pytest.mark.conformance(
    "[sig-node] Kubelet when scheduling a read only busybox container should not write to root filesystem [LinuxOnly]"
    " [Conformance] [NodeConformance]"
)
def test_a_read_only_root_is_not_written_to(kube: Kube, namespace: str) -> None:
    script = "for at in / /etc /usr; do echo test > $at/file && echo wrote $at; done; test -d /proc/1 && echo alive"
    sealed = {"securityContext": {"readOnlyRootFilesystem": True}}
    said = finished(kube, namespace, pod("p", script, container=sealed)).splitlines()
    assert [line for line in said if "ead-only file system" not in line] == ["alive"]
    assert len(said) == 4
