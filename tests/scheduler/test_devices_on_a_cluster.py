"""Devices by the whole control plane: claims from templates, allocation, reservation, and back again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podling.client.informer import Informer
from podling.client.resources import (
    DEVICECLASSES,
    JOBS,
    NODES,
    PODS,
    RESOURCECLAIMS,
    RESOURCECLAIMTEMPLATES,
    RESOURCESLICES,
)
from podling.client.rest import Rest
from podling.client.transport import Resource
from podling.supervise import Supervisor
from podling.testing import Cluster
from podling.testing.scenarios import ROUGH, items
from podling.testing.simulation import Simulation
from podling.testing.virtualtime import run

Json = dict[str, Any]
DRIVER = "gpu.example.com"
PROTECTION = "resource.kubernetes.io/delete-protection"
REQUESTS = {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu"}}]}}


def named(resource: Resource, kind: str, name: str, **more: Any) -> Json:
    version = f"{resource.group}/{resource.version}".lstrip("/")
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}} | more


async def with_devices(rest: Rest, **counts: int) -> None:
    """So many devices on each node, a class for them and a template for one of them."""
    expression = {"cel": {"expression": f'device.driver == "{DRIVER}"'}}
    await rest.create(DEVICECLASSES, "", named(DEVICECLASSES, "DeviceClass", "gpu", spec={"selectors": [expression]}))
    for name, count in counts.items():
        node = name.replace("_", "-")
        spec = {
            "driver": DRIVER,
            "nodeName": node,
            "pool": {"name": node, "generation": 1, "resourceSliceCount": 1},
            "devices": [{"name": f"gpu-{number}"} for number in range(count)],
        }
        await rest.create(RESOURCESLICES, "", named(RESOURCESLICES, "ResourceSlice", node, spec=spec))
    template = named(RESOURCECLAIMTEMPLATES, "ResourceClaimTemplate", "one", spec={"spec": REQUESTS})
    await rest.create(RESOURCECLAIMTEMPLATES, "default", template)


def pod_spec(**claim: str) -> Json:
    container = {"name": "c", "image": "x", "resources": {"claims": [{"name": "gpu"}]}}
    wish = claim or {"resourceClaimTemplateName": "one"}
    return {"containers": [container], "resourceClaims": [{"name": "gpu", **wish}], "terminationGracePeriodSeconds": 0}


async def until(cluster: Cluster, resource: Resource, holds: Callable[[list[Json]], bool]) -> list[Json]:
    informer = Informer(cluster.client.transport, resource, cluster.env)
    async with Supervisor() as watching:
        watching.start("objects", informer.run())
        await informer.wait_synced()
        async with asyncio.timeout(20):
            await informer.wait_until(lambda: holds([each.json() for each in informer.list()]))
        return [each.json() for each in informer.list()]


def running(pods: list[Json]) -> list[Json]:
    return [each for each in pods if each["status"].get("phase") == "Running"]


def devices(claims: list[Json]) -> list[tuple[str, str]]:
    """Pool and name of all that is allocated."""
    allocations = [(each.get("status") or {}).get("allocation") for each in claims]
    results = [result for each in allocations if each for result in each["devices"]["results"]]
    return [(each["pool"], each["device"]) for each in results]


async def test_each_pod_gets_a_device_of_its_node_and_the_rest_wait() -> None:
    async with Cluster(nodes=2) as cluster:
        rest = cluster.client
        await with_devices(rest, node_1=1, node_2=2)
        for number in range(4):
            await rest.create(PODS, "default", named(PODS, "Pod", f"p{number}", spec=pod_spec()))
        pods = await until(cluster, PODS, lambda pods: len(running(pods)) == 3)
        claims = await until(cluster, RESOURCECLAIMS, lambda claims: len(devices(claims)) == 3)
        assert len(set(devices(claims))) == 3
        for each in running(pods):
            (mine,) = [claim for claim in claims if claim["metadata"]["name"] == _claim_of(each)]
            assert devices([mine])[0][0] == each["spec"]["nodeName"]
            assert [user["name"] for user in mine["status"]["reservedFor"]] == [each["metadata"]["name"]]
            assert mine["metadata"]["finalizers"] == [PROTECTION]
        (waiting,) = [each for each in pods if each not in running(pods)]
        told = await until(
            cluster, PODS, lambda pods: any("cannot allocate all claims" in str(each["status"]) for each in pods)
        )
        assert "0/2 nodes are available: 2 cannot allocate all claims." in str(
            [each["status"]["conditions"] for each in told if each["metadata"]["uid"] == waiting["metadata"]["uid"]]
        )
        gone = running(pods)[0]["metadata"]
        await rest.delete(PODS, "default", gone["name"], uid=gone["uid"])
        await until(cluster, PODS, lambda pods: len(running(pods)) == 3 and len(pods) == 3)
        await until(cluster, RESOURCECLAIMS, lambda claims: len(claims) == 3 and len(devices(claims)) == 3)


def _claim_of(pod: Json) -> str:
    (status,) = pod["status"]["resourceClaimStatuses"]
    return str(status["resourceClaimName"])


async def test_pods_share_a_claim_and_its_node_until_the_last_one_ends() -> None:
    async with Cluster(nodes=2) as cluster:
        rest = cluster.client
        await with_devices(rest, node_1=1, node_2=1)
        await rest.create(RESOURCECLAIMS, "default", named(RESOURCECLAIMS, "ResourceClaim", "shared", spec=REQUESTS))
        for name in ("a", "b"):
            spec = pod_spec(resourceClaimName="shared")
            await rest.create(PODS, "default", named(PODS, "Pod", name, spec=spec))
        pods = await until(cluster, PODS, lambda pods: len(running(pods)) == 2)
        assert len({each["spec"]["nodeName"] for each in pods}) == 1
        (claim,) = await until(cluster, RESOURCECLAIMS, lambda claims: len(claims[0]["status"]["reservedFor"]) == 2)
        for name in ("a", "b"):
            await rest.delete(PODS, "default", name)
        (free,) = await until(
            cluster,
            RESOURCECLAIMS,
            lambda claims: not devices(claims) and not claims[0]["metadata"].get("finalizers"),
        )
        assert not free["status"].get("reservedFor") and devices([claim])


@pytest.mark.parametrize("seed", range(3))
def test_no_device_is_given_twice_whatever_fails(seed: int, tmp_path: Path) -> None:
    async def watch(simulation: Simulation, seconds: float) -> None:
        until = simulation.env.monotonic() + seconds
        while simulation.env.monotonic() < until:
            await simulation.env.sleep(0.2)
            given = devices(await items(simulation.rest, RESOURCECLAIMS))
            assert len(set(given)) == len(given), given

    async def scenario() -> None:
        async with Simulation(seed, nodes=2, faults=ROUGH).running() as simulation:
            rest = simulation.rest
            await with_devices(rest, node_1=2, node_2=2)
            template = {"spec": pod_spec() | {"restartPolicy": "Never"}}
            spec = {"parallelism": 6, "completions": 6, "template": template}
            await rest.create(JOBS, "default", named(JOBS, "Job", "work", spec=spec))
            await watch(simulation, 60)
            simulation.silence("scheduler")
            simulation.start_scheduler()
            await watch(simulation, 60)
            simulation.calm()
            await watch(simulation, 400)
            assert len(devices(await items(rest, RESOURCECLAIMS))) == 4
            assert len(running(await items(rest, PODS))) == 4
            await rest.delete(JOBS, "default", "work", propagation="Background")
            await watch(simulation, 120)
            assert await items(rest, RESOURCECLAIMS) == []
            assert len(await items(rest, NODES, "")) == 2

    run(scenario())
