"""The node's proxy hears of host ports when a Pod has its address, and when it has it no more."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from podling.client.resources import PODS
from podling.kubelet.hostports import Port, ports_of
from tests.kubelet.pods import pod
from tests.kubelet.world import ready, world

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


class Heard:
    """What is open, by the Pod's address."""

    def __init__(self) -> None:
        self.open: dict[str, tuple[str, list[Port]]] = {}

    def open_host_ports(self, pod: str, ip: str, ports: Iterable[Port]) -> None:
        self.open[pod] = (ip, list(ports))

    def close_host_ports(self, pod: str) -> None:
        self.open.pop(pod, None)


def container(name: str, *ports: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "app", "ports": list(ports), **fields}


async def test_containers_and_sidecars_have_ports_and_other_init_containers_have_none() -> None:
    spec = {
        "containers": [container("main", {"containerPort": 80, "hostPort": 8080}, {"containerPort": 81})],
        "initContainers": [
            container("first", {"containerPort": 1, "hostPort": 1}),
            container("beside", {"containerPort": 2, "hostPort": 3, "protocol": "UDP"}, restartPolicy="Always"),
        ],
    }
    assert ports_of(pod(spec)) == (("TCP", "", 8080, 80), ("UDP", "", 3, 2))


async def test_ports_are_open_while_the_pod_has_its_address_also_for_a_newborn_kubelet(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.ports = first = Heard()
        port = {"containerPort": 80, "hostPort": 8080, "hostIP": "172.31.0.2"}
        async with w.node():
            made = await w.create(containers=[container("main", port)])
            await w.create("other")
            await w.until(ready, "other")
            running = await w.until(ready)
            uid = made["metadata"]["uid"]
            assert first.open == {uid: (running["status"]["podIP"], [("TCP", "172.31.0.2", 8080, 80)])}
        w.ports = second = Heard()
        async with w.node():
            await w.env.sleep(1)
            assert second.open == first.open
            await w.admin.delete(PODS, "default", "web")
            await w.until_gone()
            assert second.open == {}
