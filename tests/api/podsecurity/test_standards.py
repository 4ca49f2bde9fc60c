"""Each control of the Pod Security Standards: what it says, and since which release."""

from __future__ import annotations

from typing import Any

import pytest

from podling.api.podsecurity.evaluate import violations
from podling.api.podsecurity.levels import Policy, Standard, label_errors, policy_of, tightens

Json = dict[str, Any]
PREFIX = "pod-security.kubernetes.io/"
GOOD = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def said(level: str, spec: Json, version: str = "latest", **metadata: Any) -> list[str]:
    return [str(each) for each in violations(Standard(level, version), metadata, spec)]


def with_context(*contexts: Json, **spec: Any) -> Json:
    containers = [{"name": "abc"[index], "securityContext": each} for index, each in enumerate(contexts)]
    return {"containers": containers, **spec}


@pytest.mark.parametrize(
    ("spec", "finding"),
    [
        (
            with_context({"appArmorProfile": {"type": "Unconfined"}}),
            'forbidden AppArmor profile (container "a" must not set AppArmor profile type to "Unconfined")',
        ),
        (
            with_context({"capabilities": {"add": ["SYS_ADMIN", "CHOWN"]}}, {"capabilities": {"add": ["NET_RAW"]}}),
            'non-default capabilities (containers "a", "b" must not include "NET_RAW", "SYS_ADMIN" in '
            "securityContext.capabilities.add)",
        ),
        (with_context({}, hostNetwork=True, hostIPC=True), "host namespaces (hostNetwork=true, hostIPC=true)"),
        (
            with_context({}, volumes=[{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "hostPath": {}}]),
            'hostPath volumes (volumes "v", "w")',
        ),
        (
            {"containers": [{"name": "a", "ports": [{"hostPort": 80}, {"hostPort": 443}, {"containerPort": 1}]}]},
            'hostPort (container "a" uses hostPorts 443, 80)',
        ),
        (
            {"containers": [{"name": "a", "livenessProbe": {"httpGet": {"host": "example.com"}}}]},
            'probe or lifecycle host (container "a" uses probe or lifecycle host "example.com")',
        ),
        (
            {"initContainers": [{"name": "i", "securityContext": {"privileged": True}}]},
            'privileged (container "i" must not set securityContext.privileged=true)',
        ),
        (
            with_context({"procMount": "Unmasked"}),
            'procMount (container "a" must not set securityContext.procMount to "Unmasked")',
        ),
        (
            with_context({"seLinuxOptions": {"type": "spc_t", "user": "u"}}),
            'seLinuxOptions (container "a" set forbidden securityContext.seLinuxOptions: type "spc_t"; '
            "user may not be set)",
        ),
        (
            with_context(
                {"seccompProfile": {"type": "Unconfined"}},
                securityContext={"seccompProfile": {"type": "Unconfined"}},
            ),
            'seccompProfile (pod and container "a" must not set securityContext.seccompProfile.type to "Unconfined")',
        ),
        (
            with_context({}, securityContext={"sysctls": [{"name": "kernel.msgmax"}, {"name": "net.ipv4.tcp_rmem"}]}),
            "forbidden sysctls (kernel.msgmax)",
        ),
        (
            with_context({}, securityContext={"windowsOptions": {"hostProcess": True}}),
            "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
        ),
    ],
    ids=lambda value: value.split(" (")[0] if isinstance(value, str) else "",
)
def test_the_baseline_names_what_it_forbids(spec: Json, finding: str) -> None:
    assert said("baseline", spec) == [finding]
    assert said("privileged", spec) == []


def test_annotations_of_apparmor_count_as_profiles() -> None:
    annotations = {"container.apparmor.security.beta.kubernetes.io/a": "unconfined"}
    found = said("baseline", {"containers": [{"name": "a"}]}, annotations=annotations)
    assert found[0].startswith("forbidden AppArmor profile (annotation must not set AppArmor profile type to ")


def test_a_plain_pod_lacks_four_things_of_the_restricted_standard() -> None:
    assert said("restricted", {"containers": [{"name": "main"}]}) == [
        'allowPrivilegeEscalation != false (container "main" must set securityContext.allowPrivilegeEscalation=false)',
        'unrestricted capabilities (container "main" must set securityContext.capabilities.drop=["ALL"])',
        'runAsNonRoot != true (pod or container "main" must set securityContext.runAsNonRoot=true)',
        'seccompProfile (pod or container "main" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
        '"Localhost")',
    ]


def test_a_pod_that_says_it_all_is_restricted() -> None:
    assert said("restricted", with_context(GOOD, volumes=[{"name": "v", "emptyDir": {}}])) == []


@pytest.mark.parametrize(
    ("spec", "finding"),
    [
        (
            with_context({**GOOD, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "CHOWN"]}}),
            'unrestricted capabilities (container "a" must not include "CHOWN" in securityContext.capabilities.add)',
        ),
        (
            with_context(GOOD, volumes=[{"name": "v", "hostPath": {}}, {"name": "w", "nfs": {}}]),
            'restricted volume types (volumes "v", "w" use restricted volume types "hostPath", "nfs")',
        ),
        (
            with_context({**GOOD, "runAsNonRoot": False}, securityContext={"runAsNonRoot": True}),
            'runAsNonRoot != true (container "a" must not set securityContext.runAsNonRoot=false)',
        ),
        (
            with_context({**GOOD, "runAsUser": 0}, securityContext={"runAsUser": 0}),
            'runAsUser=0 (pod and container "a" must not set runAsUser=0)',
        ),
        (
            with_context({**GOOD, "procMount": "Unmasked"}, hostUsers=False),
            'procMount (container "a" must not set securityContext.procMount to "Unmasked")',
        ),
    ],
    ids=lambda value: value.split(" (")[0] if isinstance(value, str) else "",
)
def test_the_restricted_standard_names_what_is_wrong(spec: Json, finding: str) -> None:
    assert said("restricted", spec) == [finding]


def test_findings_come_baseline_first_and_in_order() -> None:
    spec = {"hostNetwork": True, "containers": [{"name": "a", "securityContext": {"privileged": True}}]}
    assert [each.split(" (")[0] for each in said("restricted", spec)] == [
        "host namespaces",
        "privileged",
        "allowPrivilegeEscalation != false",
        "unrestricted capabilities",
        "runAsNonRoot != true",
        "seccompProfile",
    ]


@pytest.mark.parametrize(
    ("spec", "before", "since"),
    [
        ({"containers": [{"name": "a", "livenessProbe": {"tcpSocket": {"host": "x"}}}]}, "v1.33", "v1.34"),
        (with_context({}, securityContext={"seccompProfile": {"type": "Unconfined"}}), "v1.18", "v1.19"),
    ],
    ids=["probes", "seccomp"],
)
def test_a_standard_of_an_older_release_does_not_know_newer_controls(spec: Json, before: str, since: str) -> None:
    assert said("baseline", spec, before) == []
    assert len(said("baseline", spec, since)) == 1


@pytest.mark.parametrize(
    ("name", "since"),
    [("net.ipv4.ip_local_reserved_ports", 27), ("net.ipv4.tcp_fin_timeout", 29), ("net.ipv4.tcp_wmem", 32)],
)
def test_sysctls_became_safe_one_after_the_other(name: str, since: int) -> None:
    spec = with_context({}, securityContext={"sysctls": [{"name": name}]})
    assert said("baseline", spec, f"v1.{since - 1}") == [f"forbidden sysctls ({name})"]
    assert said("baseline", spec, f"v1.{since}") == []


def test_root_in_a_user_namespace_of_its_own_is_let_in_since_1_35() -> None:
    context = {**GOOD, "runAsUser": 0, "runAsNonRoot": False}
    assert said("restricted", with_context(context, hostUsers=False)) == []
    assert len(said("restricted", with_context(context, hostUsers=False), "v1.34")) == 2


def test_windows_pods_need_nothing_of_linux() -> None:
    spec = {"os": {"name": "windows"}, "containers": [{"name": "a", "securityContext": {"runAsNonRoot": True}}]}
    assert said("restricted", spec) == []
    assert len(said("restricted", spec, "v1.24")) == 3


def test_labels_say_what_a_namespace_asks_for() -> None:
    labels = {f"{PREFIX}enforce": "baseline", f"{PREFIX}enforce-version": "v1.30", f"{PREFIX}audit": "restricted"}
    strict = Standard("baseline", "v1.30")
    assert policy_of(labels) == Policy(strict, Standard("restricted"), strict)
    assert policy_of({**labels, f"{PREFIX}warn": "restricted"}).warn == Standard("restricted", "v1.30")
    assert policy_of({}) == Policy()


def test_labels_that_cannot_be_read_let_in_the_strictest_only() -> None:
    policy = policy_of({f"{PREFIX}enforce": "bogus", f"{PREFIX}warn": "bogus"})
    assert (policy.enforce.level, policy.warn.level) == ("restricted", "privileged")
    found = label_errors({f"{PREFIX}enforce": "bogus", f"{PREFIX}warn-version": "1.2"})
    assert [each.message for each in found] == [
        'Invalid value: "bogus": must be one of privileged, baseline, restricted',
        'Invalid value: "1.2": must be "latest" or "v1.x"',
    ]


def test_a_stricter_level_or_another_release_tightens() -> None:
    assert tightens(Standard("restricted"), Standard("baseline"))
    assert tightens(Standard("baseline", "v1.30"), Standard("baseline"))
    assert not tightens(Standard("baseline"), Standard("restricted"))
    assert not tightens(Standard("privileged", "v1.30"), Standard("restricted"))
