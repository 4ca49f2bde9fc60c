"""sig-node: with which identity and rights a container runs, and which kernel settings a Pod may have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.containers.pods import finished, pod
from tests.conformance.kube import Json, Kube

CAPABILITIES = "grep CapEff /proc/self/status | cut -f2"
NO_PRIVILEGES = "mount -t tmpfs none /mnt 2>/dev/null && echo mounted || echo refused"


def said(kube: Kube, namespace: str, script: str, context: Json | None = None, **spec: Any) -> str:
    """What a container with this security context printed."""
    container = {"securityContext": context} if context is not None else {}
    return finished(kube, namespace, pod("p", script, container=container, **spec)).strip()


@pytest.mark.conformance(
    "[sig-node] Security Context When creating a container with runAsUser should run the container with uid 65534 "
    "[LinuxOnly] [Conformance] [NodeConformance]"
)
def test_a_container_runs_as_the_user_it_names(kube: Kube, namespace: str) -> None:
    assert said(kube, namespace, "id -u", {"runAsUser": 65534}) == "65534"


@pytest.mark.conformance(
    "[sig-node] Security Context should support container.SecurityContext.RunAsUser And "
    "container.SecurityContext.RunAsGroup [LinuxOnly] [Conformance]"
)
def test_a_container_runs_as_its_own_user_and_group(kube: Kube, namespace: str) -> None:
    whole = {"securityContext": {"runAsUser": 3003, "runAsGroup": 4004}}
    text = said(kube, namespace, "id -u; id -g", {"runAsUser": 1001, "runAsGroup": 2002}, **whole)
    assert text.split() == ["1001", "2002"]


@pytest.mark.conformance(
    "[sig-node] Security Context should support pod.Spec.SecurityContext.RunAsUser And "
    "pod.Spec.SecurityContext.RunAsGroup [LinuxOnly] [Conformance]"
)
def test_a_container_runs_as_the_pods_user_and_group(kube: Kube, namespace: str) -> None:
    whole = {"securityContext": {"runAsUser": 1001, "runAsGroup": 2002}}
    assert said(kube, namespace, "id -u; id -g", **whole).split() == ["1001", "2002"]


@pytest.mark.conformance(
    "[sig-node] Security Context When creating a pod with privileged should run the container as unprivileged when "
    "false [LinuxOnly] [Conformance] [NodeConformance]"
)
def test_a_container_that_is_not_privileged_may_not_mount(kube: Kube, namespace: str) -> None:
    assert said(kube, namespace, NO_PRIVILEGES, {"privileged": False}) == "refused"


def test_a_privileged_container_may_mount(kube: Kube, namespace: str) -> None:
    assert said(kube, namespace, NO_PRIVILEGES, {"privileged": True}) == "mounted"


@pytest.mark.conformance(
    "[sig-node] Security Context When creating a pod with readOnlyRootFilesystem should run the container with "
    "writable rootfs when readOnlyRootFilesystem=false [Conformance] [NodeConformance]"
)
def test_the_root_file_system_can_be_written_to(kube: Kube, namespace: str) -> None:
    script = "touch /checkfile /usr/checkfile && echo written"
    assert said(kube, namespace, script, {"readOnlyRootFilesystem": False}) == "written"


def test_a_read_only_root_file_system_cannot_be_written_to(kube: Kube, namespace: str) -> None:
    script = "touch /checkfile || touch /usr/checkfile || echo refused"
    assert said(kube, namespace, script, {"readOnlyRootFilesystem": True}).endswith("refused")


def escalated(kube: Kube, namespace: str, allowed: bool) -> str:
    """The effective user of a set-user-id program that user 1000 calls."""
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    copying = ["sh", "-c", "cp /usr/bin/id /v/id && chmod 4755 /v/id"]
    context = {"runAsUser": 1000, "allowPrivilegeEscalation": allowed}
    body = pod(
        "p",
        "/v/id -u",
        container=mounts | {"securityContext": context},
        initContainers=[{"name": "copy", "image": "host:1", "command": copying, **mounts}],
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    return finished(kube, namespace, body).strip()


@pytest.mark.conformance(
    "[sig-node] Security Context when creating containers with AllowPrivilegeEscalation should not allow privilege "
    "escalation when false [LinuxOnly] [Conformance] [NodeConformance]"
)
def test_a_program_cannot_gain_another_user(kube: Kube, namespace: str) -> None:
    assert escalated(kube, namespace, False) == "1000"


def test_a_program_may_gain_another_user_where_it_is_allowed(kube: Kube, namespace: str) -> None:
    assert escalated(kube, namespace, True) == "0"


def test_capabilities_are_added_and_dropped(kube: Kube, namespace: str) -> None:
    bare = said(kube, namespace, CAPABILITIES, {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}})
    assert int(bare, 16) == 1 << 10


def test_groups_of_the_pod_are_the_containers_and_own_its_volumes(kube: Kube, namespace: str) -> None:
    whole = {
        "securityContext": {
            "runAsUser": 1000,
            "runAsGroup": 2000,
            "supplementalGroups": [3000],
            "fsGroup": 4000,
            "supplementalGroupsPolicy": "Strict",
        },
        "volumes": [{"name": "v", "emptyDir": {}}],
    }
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    script = "id -G; touch /v/mine; stat -c %g /v /v/mine"
    text = finished(kube, namespace, pod("p", script, container=container, **whole))
    groups, *owners = text.splitlines()
    assert sorted(groups.split()) == ["2000", "3000", "4000"]
    assert owners == ["4000", "4000"]


def test_a_container_that_must_not_be_root_is_not_started_as_root(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    made = pods.create(pod("p", "id -u", securityContext={"runAsNonRoot": True}))
    seen = pods.until("p", waits("CreateContainerConfigError"))
    message = seen["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
    which = f'(pod: "p_{namespace}({made["metadata"]["uid"]})", container: c)'
    assert message == f"container has runAsNonRoot and image will run as root {which}"


def waits(reason: str) -> Any:
    def seen(found: Json) -> bool:
        statuses = found["status"].get("containerStatuses") or [{}]
        return bool(statuses[0].get("state", {}).get("waiting", {}).get("reason") == reason)

    return seen


@pytest.mark.conformance(
    "[sig-node] Sysctls [LinuxOnly] should support sysctls [Environment:NotInUserNS] [Conformance] [NodeConformance]"
)
def test_a_pod_has_the_kernel_settings_it_asks_for(kube: Kube, namespace: str) -> None:
    wanted = [
        {"name": "kernel.shm_rmid_forced", "value": "1"},
        {"name": "net/ipv4/ip_local_port_range", "value": "40000 40999"},
    ]
    script = "cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/ip_local_port_range"
    text = said(kube, namespace, script, securityContext={"sysctls": wanted})
    assert text.split() == ["1", "40000", "40999"]


def test_a_pod_with_a_forbidden_kernel_setting_is_refused_by_its_node(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p", "true", securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "10000"}]}))
    status = pods.until("p", lambda found: found["status"].get("phase") == "Failed")["status"]
    assert status["reason"] == "SysctlForbidden"
    assert status["message"] == 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted'
    told = kube.at("v1/events", namespace).settled(lambda found: found, fieldSelector="reason=SysctlForbidden")
    assert told[0]["type"] == "Warning"


def test_a_seccomp_profile_is_kept(kube: Kube, namespace: str) -> None:
    whole = {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}
    script = "grep Seccomp: /proc/self/status | cut -f2; unshare -U true 2>/dev/null || echo refused"
    assert said(kube, namespace, script, **whole).split() == ["2", "refused"]


def test_a_pod_whose_users_were_to_be_its_own_does_not_run_as_the_hosts(kube: Kube, namespace: str) -> None:
    kube.at("v1/pods", namespace).create(pod("p", "true", hostUsers=False))
    told = kube.at("v1/events", namespace).settled(lambda found: found, fieldSelector="reason=FailedCreatePodSandBox")
    assert "user namespaces (hostUsers: false) are not supported by this node" in told[0]["message"]
