"""The autoscaler with the real API server and metrics of simulated Pods, on virtual time, while requests fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from podling.client.resources import DEPLOYMENTS, HORIZONTALPODAUTOSCALERS, NODES, PODS
from podling.testing.scenarios import ROUGH, items
from podling.testing.simulation import Simulation
from podling.testing.virtualtime import run

Json = dict[str, Any]
MOST = 5


def template(used: str) -> Json:
    container = {"name": "c", "image": "x", "resources": {"requests": {"cpu": "100m"}}}
    annotations = {"podling.dev/simulated-cpu": used}
    return {"metadata": {"labels": {"app": "web"}, "annotations": annotations}, "spec": {"containers": [container]}}


async def prepared(simulation: Simulation) -> None:
    """Nodes that say they are simulated, a Deployment whose Pods use twice what they ask for, an autoscaler."""
    while len(found := await items(simulation.rest, NODES, "")) < 2:
        await simulation.env.sleep(0.5)
    for each in found:
        label = {"metadata": {"labels": {"podling.dev/simulated": "true"}}}
        await simulation.rest.patch(NODES, "", each["metadata"]["name"], label)
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template("200m")}
    web = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    await simulation.rest.create(DEPLOYMENTS, "default", web)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 100}}
    rule = {"scaleTargetRef": target, "maxReplicas": MOST, "metrics": [{"type": "Resource", "resource": metric}]}
    kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}}
    await simulation.rest.create(HORIZONTALPODAUTOSCALERS, "default", kind | {"spec": rule})


async def until(simulation: Simulation, done: Callable[[int, int], bool]) -> float:
    """How long it took until `done(wanted, ready)`; never more replicas than allowed, never none."""
    began = simulation.env.monotonic()
    while True:
        web = (await simulation.rest.get(DEPLOYMENTS, "default", "web")).object
        wanted = web["spec"]["replicas"]
        assert 1 <= wanted <= MOST
        if done(wanted, web.get("status", {}).get("readyReplicas", 0)):
            return simulation.env.monotonic() - began
        assert simulation.env.monotonic() - began < 900, web
        await simulation.env.sleep(2)


@pytest.mark.parametrize("seed", range(2))
def test_load_brings_replicas_and_its_end_takes_them_away_after_five_minutes(seed: int) -> None:
    async def scenario() -> None:
        async with Simulation(seed, nodes=2, faults=ROUGH).running() as simulation:
            await prepared(simulation)
            grown = await until(simulation, lambda wanted, ready: wanted == ready == MOST)
            assert grown < 240
            assert len(await items(simulation.rest, PODS)) >= MOST
            await simulation.rest.patch(DEPLOYMENTS, "default", "web", {"spec": {"template": template("10m")}})
            shrunk = await until(simulation, lambda wanted, ready: wanted < MOST)
            assert shrunk > 290
            simulation.calm()
            await until(simulation, lambda wanted, ready: wanted == ready == 1)
            status = (await simulation.rest.get(HORIZONTALPODAUTOSCALERS, "default", "web")).object["status"]
            conditions = {each["type"]: each["status"] for each in status["conditions"]}
            assert (conditions["ScalingActive"], conditions["ScaledToZero"]) == ("True", "False")
            await simulation.env.sleep(60)
            before = len(simulation.log)
            await simulation.env.sleep(60)
            assert [line for line in simulation.log[before:] if "kube-controller-manager" in line] == []

    run(scenario())
