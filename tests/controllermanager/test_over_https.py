"""Controllers and scheduler outside the server's process: the same behind a socket (DESIGN 19, own-process)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from podling.api.catalog import Catalog
from podling.client.resources import NAMESPACES, NODES, PODS, REPLICASETS
from podling.client.rest import Rest
from podling.controllermanager.manager import ControllerManager
from podling.controllermanager.served import served_by
from podling.env import SystemEnv
from podling.reconcile.view import Settings
from podling.scheduler.scheduler import Scheduler
from podling.supervise import Supervisor
from podling.testing.scenarios import items, replica_set
from tests.client.servers import secured_server


async def test_a_replicaset_gets_its_pods_bound_and_a_namespace_goes(tmp_path: Path) -> None:
    env = SystemEnv()
    async with secured_server(tmp_path, authorization="RBAC") as secured, Supervisor() as tasks, asyncio.timeout(30):
        manager = secured.client("system:kube-controller-manager", unix=True)
        settings = Settings(root_ca="PEM", started=env.now())
        tasks.start("manager", ControllerManager(manager, env, settings, served_by(Catalog.load("current"))).run())
        tasks.start("scheduler", Scheduler(secured.client("system:kube-scheduler", unix=True), env).run())
        rest = Rest(secured.client("kubernetes-admin", "system:masters"))
        await _add_node(rest)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tried"}}
        await rest.create(NAMESPACES, "", namespace)
        await rest.create(REPLICASETS, "tried", replica_set("web", 3))
        while [pod["spec"].get("nodeName") for pod in await items(rest, PODS, "tried")] != ["n1"] * 3:
            await asyncio.sleep(0.02)
        await rest.delete(NAMESPACES, "", "tried")
        while True:
            for pod in await items(rest, PODS, "tried"):
                # Nobody plays kubelet here: the Pods are let go by hand.
                await rest.delete(PODS, "tried", pod["metadata"]["name"], grace=0)
            if "tried" not in [each.head.name for each in (await rest.transport.list(NAMESPACES)).items]:
                break
            await asyncio.sleep(0.02)
        assert await items(rest, REPLICASETS, "tried") == []


async def _add_node(rest: Rest) -> None:
    await rest.create(NODES, "", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    amounts = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    ready = {"type": "Ready", "status": "True"}
    await rest.patch_status(
        NODES, "", "n1", {"status": {"allocatable": amounts, "capacity": amounts, "conditions": [ready]}}
    )
