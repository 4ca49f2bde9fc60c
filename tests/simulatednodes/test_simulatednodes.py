"""Simulated nodes with the real API server, controllers and scheduler, on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from podling.api.catalog import Catalog
from podling.api.errors import BadRequest
from podling.apiserver.config import Config
from podling.client.resources import CONFIGMAPS, EVENTS, JOBS, LEASES, NODES, PODS, REPLICASETS
from podling.client.rest import Rest
from podling.client.transport import Resource
from podling.controllermanager.manager import ControllerManager
from podling.controllermanager.served import served_by
from podling.env import SimulatedEnv, parse_rfc3339
from podling.network.unixdialer import RefusingDialer
from podling.pki.ca import new_signing_key
from podling.reconcile.view import Settings
from podling.scheduler.scheduler import Scheduler
from podling.simulatednodes.dialer import SimulatedDialer
from podling.simulatednodes.pool import Pool
from podling.simulatednodes.registration import remove, settle
from podling.simulatednodes.simulatednodes import SimulatedNodes
from podling.supervise import Supervisor
from podling.testing.scenarios import replica_set
from podling.testing.virtualtime import run
from tests.client.servers import api_server

MASTERS = ("system:masters",)


class World:
    """A control plane; `start` and `stop` are the simulated nodes' process."""

    def __init__(self, server: Any, env: SimulatedEnv, manager: ControllerManager, tasks: Supervisor) -> None:
        self.rest, self.env = Rest(server.transport("admin", MASTERS)), env
        self._server, self._manager, self._tasks = server, manager, tasks

    def start(self) -> None:
        transport = self._server.transport("system:podling:simulated-nodes", MASTERS)
        self.nodes = SimulatedNodes(transport, self.env, self._manager.informers)
        self.process = self._tasks.start("simulated nodes", self.nodes.run())

    async def items(self, resource: Resource) -> list[dict[str, Any]]:
        found = (await self.rest.transport.request("GET", resource.path())).object["items"]
        return list(found)

    async def until(self, resource: Resource, wanted: Callable[[list[dict[str, Any]]], bool], seconds: float) -> None:
        deadline = self.env.monotonic() + seconds
        while not wanted(await self.items(resource)):
            assert self.env.monotonic() < deadline, await self.items(resource)
            await self.env.sleep(0.1)


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    env = SimulatedEnv(5)
    async with api_server(Config(token_key=new_signing_key()), env) as server, Supervisor() as tasks:
        served = served_by(Catalog.load("current"))
        settings = Settings(root_ca="PEM", started=env.now())
        manager = ControllerManager(server.transport("system:kube-controller-manager"), env, settings, served)
        tasks.start("manager", manager.run())
        tasks.start("scheduler", Scheduler(server.transport("system:kube-scheduler"), env, manager.informers).run())
        made = World(server, env, manager, tasks)
        made.start()
        yield made


def ready(found: list[dict[str, Any]]) -> int:
    conditions = [each for one in found for each in one.get("status", {}).get("conditions", ())]
    return sum((each["type"], each["status"]) == ("Ready", "True") for each in conditions)


def test_a_pool_gets_ready_runs_pods_and_goes_again() -> None:
    async def scenario() -> None:
        async with world() as here:
            await settle(here.rest, "fake", Pool(count=20, zones=2), here.env)
            await here.until(NODES, lambda found: ready(found) == 20 and not any(_taints(each) for each in found), 10)
            await here.rest.create(REPLICASETS, "default", replica_set("web", 60))
            await here.until(PODS, lambda found: ready(found) == 60, 30)
            pods = await here.items(PODS)
            assert len({each["status"]["podIP"] for each in pods}) == 60
            assert len({each["spec"]["nodeName"] for each in pods}) == 20
            await settle(here.rest, "fake", Pool(count=5, zones=2), here.env)
            names = sorted(each["metadata"]["name"] for each in await here.items(NODES))
            assert names == [f"fake-{number}" for number in range(1, 6)]
            await here.until(PODS, lambda found: ready(found) == 60 and _hosts(found) <= 5, 120)
            await here.rest.delete(REPLICASETS, "default", "web", propagation="Background")
            await here.until(PODS, lambda found: not found, 30)

    run(scenario())


def _taints(node: dict[str, Any]) -> list[Any]:
    return list(node["spec"].get("taints", ()))


def _hosts(found: list[dict[str, Any]]) -> int:
    return len({each["spec"].get("nodeName") for each in found})


def test_leases_are_renewed_in_time_and_in_turns() -> None:
    async def scenario() -> None:
        async with world() as here:
            await settle(here.rest, "fake", Pool(count=50), here.env)
            for _ in range(10):
                await here.env.sleep(15)
                assert ready(await here.items(NODES)) == 50
            now = here.env.now()
            ages = [now - parse_rfc3339(each["spec"]["renewTime"]) for each in await here.items(LEASES)]
            assert len(ages) == 50
            assert max(ages) <= 36
            assert max(ages) - min(ages) > 10

    run(scenario())


def test_a_job_is_complete_and_a_node_with_nothing_but_the_label_will_do() -> None:
    async def scenario() -> None:
        async with world() as here:
            metadata = {"name": "mine", "labels": {"podling.dev/simulated": "true"}}
            await here.rest.create(NODES, "", {"apiVersion": "v1", "kind": "Node", "metadata": metadata})
            template = {"spec": {"containers": [{"name": "c", "image": "x"}], "restartPolicy": "Never"}}
            job = {"metadata": {"name": "j"}, "spec": {"completions": 4, "parallelism": 2, "template": template}}
            await here.rest.create(JOBS, "default", {"apiVersion": "batch/v1", "kind": "Job"} | job)
            await here.until(JOBS, lambda found: found[0].get("status", {}).get("succeeded") == 4, 30)
            (node,) = await here.items(NODES)
            assert node["spec"]["podCIDR"].startswith("100.64.")
            assert node["status"]["capacity"]["pods"] == "110"

    run(scenario())


def test_stages_in_a_configmap_concern_the_pods_they_name_at_once() -> None:
    async def scenario() -> None:
        async with world() as here:
            await settle(here.rest, "fake", Pool(count=2), here.env)
            text = "stages:\n- when: {labels: {app: slow}}\n  start-after: 5s\n  ready-after: 5s\n"
            metadata = {"name": "simulated-stages", "namespace": "kube-system"}
            stages = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"stages.yaml": text}}
            await here.rest.create(CONFIGMAPS, "kube-system", stages)
            began = here.env.monotonic()
            await here.rest.create(REPLICASETS, "default", replica_set("slow", 2))
            await here.until(PODS, lambda found: ready(found) == 2, 30)
            assert 10 <= here.env.monotonic() - began < 13
            await here.rest.patch(CONFIGMAPS, "kube-system", "simulated-stages", {"data": {"stages.yaml": "nonsense"}})
            await here.env.sleep(1)
            assert "BadStages" in [each["reason"] for each in await here.items(EVENTS)]

    run(scenario())


def test_a_silent_node_is_lost_and_comes_back_when_it_speaks() -> None:
    async def scenario() -> None:
        async with world() as here:
            await settle(here.rest, "fake", Pool(count=1), here.env)
            await here.rest.create(REPLICASETS, "default", replica_set("web", 1))
            await here.until(PODS, lambda found: ready(found) == 1, 10)
            silent = {"metadata": {"annotations": {"podling.dev/silent": "true"}}}
            await here.rest.patch(NODES, "", "fake-1", silent)
            await here.until(NODES, lambda found: ready(found) == 0 and bool(_taints(found[0])), 120)
            await here.until(PODS, lambda found: ready(found) == 0, 10)
            await here.rest.patch(NODES, "", "fake-1", {"metadata": {"annotations": {"podling.dev/silent": None}}})
            await here.until(NODES, lambda found: ready(found) == 1 and not _taints(found[0]), 30)
            await here.until(PODS, lambda found: ready(found) == 1, 30)

    run(scenario())


def test_a_new_process_takes_over_where_the_old_one_was() -> None:
    async def scenario() -> None:
        async with world() as here:
            await settle(here.rest, "fake", Pool(count=3), here.env)
            await here.rest.create(REPLICASETS, "default", replica_set("web", 5))
            await here.until(PODS, lambda found: ready(found) == 5, 10)
            before = {each["metadata"]["uid"]: each["status"]["podIP"] for each in await here.items(PODS)}
            here.process.cancel()
            here.start()
            await here.rest.patch(REPLICASETS, "default", "web", {"spec": {"replicas": 8}})
            await here.until(PODS, lambda found: ready(found) == 8, 10)
            after = {each["metadata"]["uid"]: each["status"]["podIP"] for each in await here.items(PODS)}
            assert before.items() <= after.items()
            assert len(set(after.values())) == 8
            await remove(here.rest, ["fake-1", "fake-2", "fake-3"])

    run(scenario())


def test_other_resources_are_granted_where_the_node_has_them_and_waited_for_where_not() -> None:
    async def scenario() -> None:
        async with world() as here:
            await settle(here.rest, "big", Pool(count=1, cpu="4"), here.env)
            for name, cpu in (("grows", "1"), ("stays", "2")):
                await here.rest.create(PODS, "default", asking(name, cpu))
            await here.until(PODS, lambda found: ready(found) == 2, 10)
            assert await told(here, "grows") == ("1", {"requests": {"cpu": "1"}}, "", 0)
            for cpu, has, why in (("2", "2", ""), ("3", "2", "Deferred")):
                await resize(here, "grows", cpu)
                assert await told(here, "grows") == (has, {"requests": {"cpu": has}}, why, 0)
            await here.rest.delete(PODS, "default", "stays", grace=0)
            await here.env.sleep(1)
            assert await told(here, "grows") == ("3", {"requests": {"cpu": "3"}}, "", 0)
            for cpu, why in (("5", "Infeasible"), ("3", "")):
                await resize(here, "grows", cpu)
                assert await told(here, "grows") == ("3", {"requests": {"cpu": "3"}}, why, 0)
            reasons = [each["reason"] for each in await here.items(EVENTS) if each["reason"].startswith("Resize")]
            assert sorted(reasons) == ["ResizeCompleted", "ResizeCompleted", "ResizeDeferred", "ResizeInfeasible"]

    run(scenario())


def test_a_container_that_wants_to_begin_anew_for_its_cpu_or_has_another_image_is_restarted() -> None:
    async def scenario() -> None:
        async with world() as here:
            await settle(here.rest, "big", Pool(count=1), here.env)
            body = asking("p", "1")
            policy = {"resourceName": "cpu", "restartPolicy": "RestartContainer"}
            body["spec"]["containers"][0]["resizePolicy"] = [policy]
            await here.rest.create(PODS, "default", body)
            await here.until(PODS, lambda found: ready(found) == 1, 10)
            await resize(here, "p", "2")
            assert await told(here, "p") == ("2", {"requests": {"cpu": "2"}}, "", 1)
            patch = {"spec": {"containers": [{"name": "c", "image": "y"}]}}
            await here.rest.patch(PODS, "default", "p", patch, kind="strategic-merge")
            await here.env.sleep(1)
            [pod] = await here.items(PODS)
            [container] = pod["status"]["containerStatuses"]
            assert (container["image"], container["restartCount"]) == ("y", 2)
            assert container["lastState"]["terminated"]["exitCode"] == 0
            assert pod["status"]["observedGeneration"] == pod["metadata"]["generation"] == 3
            assert ready([pod]) == 1

    run(scenario())


def asking(name: str, cpu: str) -> dict[str, Any]:
    container = {"name": "c", "image": "x", "resources": {"requests": {"cpu": cpu}}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}}


async def resize(here: World, name: str, cpu: str) -> None:
    body = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}}
    await here.rest.patch(PODS, "default", name, body, kind="strategic-merge", subresource="resize")
    await here.env.sleep(1)


async def told(here: World, name: str) -> tuple[str, dict[str, Any], str, int]:
    """What is allocated and given, why it is not more, and the restarts."""
    status = (await here.rest.get(PODS, "default", name)).object["status"]
    [container] = status["containerStatuses"]
    why = [each["reason"] for each in status["conditions"] if each["type"] == "PodResizePending"]
    return container["allocatedResources"]["cpu"], container["resources"], "".join(why), container["restartCount"]


async def test_nobody_gets_into_a_simulated_pod_and_is_told_why() -> None:
    dialer = SimulatedDialer(RefusingDialer("elsewhere"))
    dialer.simulated = ("fake-1",)
    with pytest.raises(BadRequest, match='node "fake-1" is simulated: no process runs in its Pods'):
        await dialer.stream("fake-1", {"verb": "exec"})
    with pytest.raises(Exception, match="elsewhere"):
        await dialer.stream("real", {"verb": "exec"})
