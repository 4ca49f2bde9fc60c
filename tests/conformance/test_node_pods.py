"""sig-node: what the kubelet decides about Pods; their containers are simulated and end as their images say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.kube import Json, Kube, conditions
from tests.conformance.operations import refused


def pod(name: str, image: str = "runs", **spec: Any) -> Json:
    container: Json = {"name": "c", "image": image, **spec.pop("container", {})}
    return {"metadata": {"name": name}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **spec}}


def init(*images: str) -> list[Json]:
    return [{"name": f"init-{number}", "image": image} for number, image in enumerate(images)]


def phase(wanted: str) -> Any:
    return lambda body: body["status"].get("phase") == wanted


@pytest.mark.conformance(
    "[sig-node] InitContainer should invoke init containers on a RestartNever pod [Conformance] [NodeConformance]"
)
def test_init_containers_run_before_a_pod_that_ends(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p", "succeeds", restartPolicy="Never", initContainers=init("succeeds", "succeeds")))
    ended = pods.until("p", phase("Succeeded"))
    assert conditions(ended)["Initialized"] == "True"
    states = [each["state"]["terminated"] for each in ended["status"]["initContainerStatuses"]]
    assert [each["exitCode"] for each in states] == [0, 0]


@pytest.mark.conformance(
    "[sig-node] InitContainer should invoke init containers on a RestartAlways pod [Conformance] [NodeConformance]"
)
def test_init_containers_run_before_a_pod_that_stays(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p", restartPolicy="Always", initContainers=init("succeeds", "succeeds")))
    running = pods.until("p", phase("Running"))
    assert conditions(running)["Initialized"] == "True"
    assert [each["ready"] for each in running["status"]["initContainerStatuses"]] == [True, True]


@pytest.mark.conformance(
    "[sig-node] InitContainer should not start app containers if init containers fail on a RestartAlways pod"
    " [Conformance] [NodeConformance]"
)
def test_an_init_container_that_fails_holds_up_a_pod_that_stays(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p", restartPolicy="Always", initContainers=init("fails", "succeeds")))
    held = pods.until("p", lambda body: restarts(body, "initContainerStatuses") >= 1)
    assert held["status"]["phase"] == "Pending" and conditions(held)["Initialized"] == "False"
    first, second = held["status"]["initContainerStatuses"]
    assert first["lastState"]["terminated"]["exitCode"] == 1 and "waiting" in second["state"]
    assert "waiting" in held["status"]["containerStatuses"][0]["state"]


def restarts(body: Json, statuses: str = "containerStatuses") -> int:
    return sum(each["restartCount"] for each in body["status"].get(statuses, []))


@pytest.mark.conformance(
    "[sig-node] InitContainer should not start app containers and fail the pod if init containers fail on a"
    " RestartNever pod [Conformance] [NodeConformance]"
)
def test_an_init_container_that_fails_fails_a_pod_that_ends(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p", restartPolicy="Never", initContainers=init("succeeds", "fails")))
    failed = pods.until("p", phase("Failed"))
    assert conditions(failed)["Initialized"] == "False"
    assert failed["status"]["initContainerStatuses"][1]["state"]["terminated"]["exitCode"] == 1
    assert "waiting" in failed["status"]["containerStatuses"][0]["state"]


@pytest.mark.conformance(
    "[sig-node] Kubelet when scheduling a busybox command that always fails in a pod should have an terminated reason"
    " [Conformance] [NodeConformance]"
)
def test_a_container_that_fails_tells_the_reason(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p", "fails", restartPolicy="Never"))
    state = pods.until("p", phase("Failed"))["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (state["exitCode"], state["reason"]) == (1, "Error")


@pytest.mark.conformance(
    "[sig-node] Kubelet when scheduling a busybox command that always fails in a pod should be possible to delete"
    " [Conformance] [NodeConformance]"
)
def test_a_pod_whose_container_always_fails_can_be_deleted(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p", "fails"))
    pods.until("p", lambda body: restarts(body) >= 1)
    pods.delete("p")
    pods.gone("p")


@pytest.mark.conformance(
    "[sig-node] Container Runtime blackbox test when starting a container that exits should run with the expected"
    " status [Conformance] [NodeConformance]"
)
@pytest.mark.parametrize(
    ("policy", "wanted", "ready", "count"),
    [("Always", "Running", True, 1), ("OnFailure", "Succeeded", False, 1), ("Never", "Failed", False, 0)],
)
def test_a_container_that_fails_once_ends_as_its_policy_says(
    kube: Kube, namespace: str, policy: str, wanted: str, ready: bool, count: int
) -> None:
    pods = kube.at("v1/pods", namespace)
    image = "fails-once-then-runs" if policy == "Always" else "fails-once"
    pods.create(pod("p", image, restartPolicy=policy))

    def settled(body: Json) -> bool:
        return (
            phase(wanted)(body) and restarts(body) == count and body["status"]["containerStatuses"][0]["ready"] is ready
        )

    state = pods.until("p", settled)["status"]["containerStatuses"][0]["state"]
    assert list(state) == (["running"] if policy == "Always" else ["terminated"])


@pytest.mark.conformance(
    "[sig-node] Pods Extended (pod generation) Pod Generation pod generation should start at 1 and increment per"
    " update [MinimumKubeletVersion:1.34] [Conformance]"
)
def test_the_generation_of_a_pod_counts_changes_of_its_spec(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    made = pods.create(pod("p"))
    assert made["metadata"]["generation"] == 1
    pods.until("p", phase("Running"))
    assert pods.patch("p", {"metadata": {"labels": {"a": "b"}}})["metadata"]["generation"] == 1
    toleration = {"key": "a", "operator": "Exists", "effect": "NoSchedule"}
    changed = pods.change("p", lambda body: body["spec"]["tolerations"].append(toleration))
    assert changed["metadata"]["generation"] == 2
    changed = pods.change("p", lambda body: body["spec"].update(activeDeadlineSeconds=5000))
    assert changed["metadata"]["generation"] == 3
    debugger = {"name": "debugger", "image": "runs"}
    changed = pods.patch("p", {"spec": {"ephemeralContainers": [debugger]}}, "strategic-merge", "ephemeralcontainers")
    assert changed["metadata"]["generation"] == 4
    pods.until("p", lambda body: body["status"].get("observedGeneration") == 4)


@pytest.mark.conformance(
    "[sig-node] Pods Extended (pod generation) Pod Generation issue 500 podspec updates and verify generation and"
    " observedGeneration eventually converge [MinimumKubeletVersion:1.34] [Conformance]"
)
def test_after_many_changes_the_kubelet_has_seen_the_last(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p"))
    pods.until("p", phase("Running"))
    for number in range(499):
        toleration = {"key": f"k{number}", "operator": "Exists", "effect": "NoSchedule"}
        pods.patch("p", [{"op": "add", "path": "/spec/tolerations/-", "value": toleration}], "json")
    assert pods.get("p")["metadata"]["generation"] == 500
    pods.until("p", lambda body: body["status"].get("observedGeneration") == 500)


@pytest.mark.conformance("[sig-node] Sysctls [LinuxOnly] should reject invalid sysctls [Conformance] [NodeConformance]")
def test_sysctls_that_are_none_are_refused(kube: Kube, namespace: str) -> None:
    names = {"foo-": "bar", "kernel.shmmax": "100000000", "safe-and-unsafe": "100000000", "bar..": "42"}
    settings = [{"name": name, "value": value} for name, value in names.items()]
    body = pod("p", restartPolicy="Never", securityContext={"sysctls": settings})
    answer = refused(lambda: kube.at("v1/pods", namespace).create(body))
    assert answer.code == 422
    assert 'Invalid value: "foo-"' in answer.message and 'Invalid value: "bar.."' in answer.message
    assert "safe-and-unsafe" not in answer.message and "kernel.shmmax" not in answer.message


@pytest.mark.conformance(
    "[sig-node] Ephemeral Containers should update the ephemeral containers in an existing pod [Conformance]"
    " [NodeConformance]"
)
def test_ephemeral_containers_are_added_and_kept(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p"))
    pods.until("p", phase("Running"))

    def add(name: str) -> Json:
        return pods.change(
            "p",
            lambda body: body["spec"].setdefault("ephemeralContainers", []).append({"name": name, "image": "runs"}),
            "ephemeralcontainers",
        )

    add("one")
    assert [each["name"] for each in add("two")["spec"]["ephemeralContainers"]] == ["one", "two"]
    gone = refused(lambda: pods.patch("p", {"spec": {"ephemeralContainers": []}}, subresource="ephemeralcontainers"))
    assert (gone.code, gone.reason) == (422, "Invalid")
    assert len(pods.get("p")["spec"]["ephemeralContainers"]) == 2
