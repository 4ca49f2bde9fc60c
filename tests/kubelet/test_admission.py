"""What a node refuses, and in which words: from the Pod, the books and the Node alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from podling.api.kinds.core.node import Node
from podling.client.resources import PODS
from podling.kubelet.admission import Claim, allocatable, claim_of, refusal
from podling.kubelet.sysctls import normalised
from tests.kubelet.pods import pod
from tests.kubelet.world import phase, ready, world

HAS = allocatable({"cpu": "2", "memory": "1Gi", "pods": "3", "ephemeral-storage": "1Gi"})


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "main", "image": "app", **fields}


def asking(**requests: str) -> dict[str, Any]:
    return {"containers": [container(resources={"requests": requests})]}


def port(number: int, protocol: str = "TCP", address: str = "") -> dict[str, Any]:
    given = {"hostPort": number, "containerPort": 80, "protocol": protocol, "hostIP": address}
    return {"containers": [container(ports=[given])]}


def why(spec: dict[str, Any], *others: dict[str, Any], labels: dict[str, str] | None = None) -> tuple[str, str] | None:
    node = msgspec.convert({"metadata": {"name": "n1", "labels": labels or {}}}, Node)
    found = refusal(pod(spec), [claim_of(pod(other)) for other in others], HAS, node)
    return None if found is None else (found.reason, found.message)


def test_a_pod_that_fits_is_taken() -> None:
    assert why(asking(cpu="1", memory="512Mi"), asking(cpu="1", memory="512Mi")) is None
    assert why(asking(**{"example.com/gpu": "1"})) is None, "devices are not the kubelet's books"


@pytest.mark.parametrize(
    ("spec", "reason", "amounts"),
    [
        (asking(cpu="1500m"), "OutOfcpu", "cpu, requested: 1500, used: 1000, capacity: 2000"),
        (asking(memory="1Gi"), "OutOfmemory", "memory, requested: 1073741824, used: 1, capacity: 1073741824"),
        (
            asking(**{"ephemeral-storage": "2Gi"}),
            "OutOfephemeral-storage",
            "ephemeral-storage, requested: 2147483648, used: 0, capacity: 1073741824",
        ),
    ],
)
def test_what_is_short_is_named_with_its_amounts(spec: dict[str, Any], reason: str, amounts: str) -> None:
    message = f"Pod was rejected: Node didn't have enough resource: {amounts}"
    assert why(spec, asking(cpu="1", memory="1")) == (reason, message)


def test_the_number_of_pods_is_limited() -> None:
    found = why(asking(), asking(), asking(), asking())
    assert found is not None and found[0] == "OutOfpods"
    assert found[1].endswith("pods, requested: 1, used: 3, capacity: 3")


def test_a_node_with_other_labels_is_the_wrong_one() -> None:
    spec = {"nodeSelector": {"disk": "fast"}}
    assert why(spec, labels={"disk": "fast"}) is None
    message = "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    assert why(spec, labels={"disk": "slow"}) == ("NodeAffinity", message)


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (port(80), True),
        (port(80, address="10.0.0.1"), True),
        (port(80, "UDP"), False),
        (port(81), False),
    ],
)
def test_a_host_port_is_given_once(wanted: dict[str, Any], taken: bool) -> None:
    found = why(wanted, port(80))
    assert (found is not None and found[0] == "NodePorts") == taken
    assert why(port(80, address="10.0.0.1"), port(80, address="10.0.0.2")) is None


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}, '"kernel.msgmax" not allowlisted'),
        ({"sysctls": [{"name": "vm/swappiness", "value": "1"}]}, '"vm.swappiness" not allowlisted'),
    ],
)
def test_an_unsafe_kernel_setting_is_forbidden(spec: dict[str, Any], text: str) -> None:
    message = f"Pod was rejected: forbidden sysctl: {text}"
    assert why({"securityContext": spec}) == ("SysctlForbidden", message)


def test_a_setting_of_a_namespace_that_is_the_hosts_is_forbidden() -> None:
    context = {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "0"}]}
    assert why({"securityContext": context}) is None
    found = why({"securityContext": context, "hostNetwork": True})
    assert found is not None and found[1].endswith('"net.ipv4.tcp_syncookies" not allowed with host Net enabled')


def test_names_of_settings_may_have_slashes() -> None:
    assert normalised("kernel/shm_rmid_forced") == "kernel.shm_rmid_forced"
    assert normalised("net/ipv4/conf/eth0.100/forwarding") == "net.ipv4.conf.eth0/100.forwarding"
    assert normalised("net.ipv4.conf.eth0/100.forwarding") == "net.ipv4.conf.eth0/100.forwarding"


@pytest.mark.parametrize(("wanted", "reason"), [("windows", "PodOSNotSupported"), ("linux", "")])
def test_another_system_is_refused(wanted: str, reason: str) -> None:
    found = why({"os": {"name": wanted}})
    assert ("" if found is None else found[0]) == reason


def test_a_profile_that_nobody_can_load_refuses_the_pod() -> None:
    context = {"appArmorProfile": {"type": "RuntimeDefault"}}
    message = "Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host"
    assert why({"securityContext": context}) == ("AppArmor", message)
    assert why({"containers": [container(securityContext=context)]}) == ("AppArmor", message)
    assert why({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}) is None


def test_an_init_container_counts_by_its_largest() -> None:
    spec = asking(cpu="1") | {"initContainers": [container(resources={"requests": {"cpu": "1500m"}})]}
    assert claim_of(pod(spec)) == Claim({"cpu": 1500})


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_refused_pod_fails_before_anything_is_made_and_counts_for_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node():
        much = {"containers": [container(resources={"requests": {"memory": "100000Gi"}})]}
        await w.create("much", **much)
        await w.create("other", nodeSelector={"disk": "fast"})
        failed = await w.until(phase("Failed"), "much")
        assert failed["status"]["reason"] == "OutOfmemory"
        assert "containerStatuses" not in failed["status"]
        wrong = await w.until(phase("Failed"), "other")
        assert wrong["status"]["reason"] == "NodeAffinity"
        assert await w.runtime.list() == ((), ())
        told = [event for event in await w.events() if "OutOfmemory" in event]
        assert [event.split(":")[0] for event in told] == ["Warning OutOfmemory Node didn't have enough resource"]
        await w.create("small")
        await w.until(ready, "small")
        await w.admin.delete(PODS, "default", "much")
        await w.until_gone("much")


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_pod_that_ended_makes_room_and_one_that_runs_is_not_asked_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        whole = {"containers": [container(ports=[{"containerPort": 80, "hostPort": 80}])]}
        async with w.node():
            await w.create("first", **whole)
            await w.until(ready, "first")
            await w.create("second", **whole)
            await w.until(phase("Failed"), "second")
        async with w.node():
            await w.create("third", **whole)
            assert (await w.until(phase("Failed"), "third"))["status"]["reason"] == "NodePorts"
            assert ready(await w.pod("first"))
            await w.admin.delete(PODS, "default", "first")
            await w.until_gone("first")
            await w.create("fourth", **whole)
            await w.until(ready, "fourth")
