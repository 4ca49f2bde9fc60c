"""sig-node: the termination message, what a container leaves behind about its end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.containers.pods import pod
from tests.conformance.kube import Kube


def message(kube: Kube, namespace: str, script: str, phase: str, **container: Any) -> str:
    """What the status says of a container that ran this script, once its Pod is in this phase."""
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p", script, container=container))
    ended = pods.until("p", lambda found: found["status"].get("phase") in ("Succeeded", "Failed"))
    assert ended["status"]["phase"] == phase
    said: str = ended["status"]["containerStatuses"][0]["state"]["terminated"].get("message", "")
    return said


@pytest.mark.conformance(
    "[sig-node] Container Runtime blackbox test on terminated container should report termination message if"
    " TerminationMessagePath is set as non-root user and at a non-default path [Conformance] [NodeConformance]"
)
def test_an_ordinary_user_leaves_a_message_at_a_path_of_its_own(kube: Kube, namespace: str) -> None:
    path = "/dev/termination-custom-log"
    user = {"securityContext": {"runAsUser": 1000}}
    script = f"test $(id -u) = 1000 && printf DONE > {path}"
    assert message(kube, namespace, script, "Succeeded", terminationMessagePath=path, **user) == "DONE"


FALLBACK = {"terminationMessagePolicy": "FallbackToLogsOnError"}


@pytest.mark.conformance(
    "[sig-node] Container Runtime blackbox test on terminated container should report termination message from log"
    " output if TerminationMessagePolicy FallbackToLogsOnError is set [Conformance] [NodeConformance]"
)
def test_the_log_speaks_for_a_container_that_failed(kube: Kube, namespace: str) -> None:
    assert message(kube, namespace, "printf DONE; exit 1", "Failed", **FALLBACK) == "DONE"


@pytest.mark.conformance(
    "[sig-node] Container Runtime blackbox test on terminated container should report termination message as empty"
    " when pod succeeds and TerminationMessagePolicy FallbackToLogsOnError is set [Conformance] [NodeConformance]"
)
def test_the_log_is_silent_about_a_container_that_succeeded(kube: Kube, namespace: str) -> None:
    assert message(kube, namespace, "printf DONE", "Succeeded", **FALLBACK) == ""


@pytest.mark.conformance(
    "[sig-node] Container Runtime blackbox test on terminated container should report termination message from file"
    " when pod succeeds and TerminationMessagePolicy FallbackToLogsOnError is set [Conformance] [NodeConformance]"
)
def test_the_file_wins_over_the_log(kube: Kube, namespace: str) -> None:
    script = "echo something else; printf OK > /dev/termination-log"
    assert message(kube, namespace, script, "Succeeded", **FALLBACK) == "OK"
