"""The scheduler against the real API server, on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from podling.apiserver.config import Config
from podling.client.resources import EVENTS, NODES, PODS, SERVICEACCOUNTS
from podling.client.rest import Rest
from podling.env import SimulatedEnv
from podling.scheduler.scheduler import Scheduler
from podling.supervise import Supervisor
from podling.testing.faults import Faults, FaultyTransport
from podling.testing.virtualtime import run
from tests.client.servers import api_server


@asynccontextmanager
async def scheduling(faults: Faults | None = None) -> AsyncIterator[tuple[Rest, SimulatedEnv]]:
    env = SimulatedEnv(3)
    async with api_server(Config(), env) as server, Supervisor() as tasks:
        rest = Rest(server.transport("kubernetes-admin", ("system:masters",)))
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await rest.create(SERVICEACCOUNTS, "default", account)
        transport = FaultyTransport(server.transport("system:kube-scheduler"), env, faults or Faults())
        tasks.start("scheduler", Scheduler(transport, env).run())
        yield rest, env


async def add_node(rest: Rest, name: str, cpu: str = "2") -> None:
    await rest.create(NODES, "", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    body = (await rest.get(NODES, "", name)).object
    amounts = {"cpu": cpu, "memory": "4Gi", "pods": "110"}
    body["spec"].pop("taints", None)
    body = (await rest.update(NODES, "", name, body)).object
    body["status"] = {"allocatable": amounts, "capacity": amounts}
    await rest.update_status(NODES, "", name, body)


async def add_pod(rest: Rest, name: str, cpu: str = "1", **spec: Any) -> None:
    container = {"name": "c", "image": "x", "resources": {"requests": {"cpu": cpu}}}
    body = {"metadata": {"name": name}, "spec": {"containers": [container]} | spec}
    await rest.create(PODS, "default", {"apiVersion": "v1", "kind": "Pod"} | body)


async def node_of(rest: Rest, name: str) -> str:
    return str((await rest.get(PODS, "default", name)).object["spec"].get("nodeName", ""))


async def events(rest: Rest, reason: str) -> list[str]:
    found = (await rest.transport.request("GET", EVENTS.path("default"))).object["items"]
    return [each["message"] for each in found if each["reason"] == reason]


def test_pods_are_bound_and_told_so() -> None:
    async def scenario() -> None:
        async with scheduling() as (rest, env):
            await add_node(rest, "n1")
            await add_pod(rest, "p")
            await env.sleep(1)
            assert await node_of(rest, "p") == "n1"
            conditions = (await rest.get(PODS, "default", "p")).object["status"]["conditions"]
            assert [(each["type"], each["status"]) for each in conditions] == [("PodScheduled", "True")]
            assert await events(rest, "Scheduled") == ["Successfully assigned default/p to n1"]

    run(scenario())


def test_a_pod_that_fits_nowhere_says_why_and_goes_when_a_node_comes() -> None:
    async def scenario() -> None:
        async with scheduling() as (rest, env):
            await add_node(rest, "small", cpu="500m")
            await add_pod(rest, "p")
            await env.sleep(5)
            (condition,) = (await rest.get(PODS, "default", "p")).object["status"]["conditions"]
            said = (
                "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are "
                "available: 1 Preemption is not helpful for scheduling."
            )
            assert (condition["status"], condition["reason"], condition["message"]) == ("False", "Unschedulable", said)
            assert said in await events(rest, "FailedScheduling")
            await add_node(rest, "large")
            await env.sleep(15)
            assert await node_of(rest, "p") == "large"

    run(scenario())


def test_a_pod_waits_for_another_to_go() -> None:
    async def scenario() -> None:
        async with scheduling() as (rest, env):
            await add_node(rest, "n1", cpu="1")
            await add_pod(rest, "first")
            await env.sleep(1)
            await add_pod(rest, "second")
            await env.sleep(1)
            assert await node_of(rest, "second") == ""
            await rest.delete(PODS, "default", "first", grace=0)
            await env.sleep(15)
            assert await node_of(rest, "second") == "n1"

    run(scenario())


def test_pods_of_another_scheduler_and_gated_pods_are_left_alone() -> None:
    async def scenario() -> None:
        async with scheduling() as (rest, env):
            await add_node(rest, "n1")
            await add_pod(rest, "theirs", schedulerName="mine")
            await add_pod(rest, "gated", schedulingGates=[{"name": "test.io/wait"}])
            await env.sleep(30)
            assert [await node_of(rest, name) for name in ("theirs", "gated")] == ["", ""]
            await rest.patch(PODS, "default", "gated", {"spec": {"schedulingGates": []}})
            await env.sleep(5)
            assert await node_of(rest, "gated") == "n1"

    run(scenario())


def test_lost_answers_and_watches_never_overfill_a_node() -> None:
    async def scenario() -> None:
        faults = Faults(lost_answer=0.3, lost_request=0.2, lost_watch=0.2, conflict=0.1, delay=0.05)
        async with scheduling(faults) as (rest, env):
            for name in ("n1", "n2"):
                await add_node(rest, name, cpu="3")
            for number in range(8):
                await add_pod(rest, f"p{number}")
            await env.sleep(300)
            homes = [await node_of(rest, f"p{number}") for number in range(8)]
            assert sorted(homes) == ["", "", *["n1"] * 3, *["n2"] * 3]

    run(scenario())
