"""Budgets hold while several people drain at once and everything fails now and then."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from podling.api.errors import ApiError, TooManyRequests
from podling.client.resources import DEPLOYMENTS, PODDISRUPTIONBUDGETS, PODS
from podling.testing.scenarios import ROUGH, items
from podling.testing.simulation import Simulation
from podling.testing.virtualtime import run

Json = dict[str, Any]
LABELS = {"app": "guarded"}
REPLICAS, LEAST = 6, 4


def objects() -> tuple[Json, Json]:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    spec = {"replicas": REPLICAS, "selector": {"matchLabels": LABELS}, "template": template}
    guarded = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "guarded"}, "spec": spec}
    rule = {"minAvailable": LEAST, "selector": {"matchLabels": LABELS}}
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "guard"}, "spec": rule}
    return guarded, budget


async def ready(simulation: Simulation) -> list[str]:
    """The names of those that serve."""
    out = []
    for each in await items(simulation.rest, PODS):
        held = {found["type"]: found["status"] for found in each["status"].get("conditions") or ()}
        if held.get("Ready") == "True" and not each["metadata"].get("deletionTimestamp"):
            out.append(each["metadata"]["name"])
    return out


async def until_allowed(simulation: Simulation, wanted: int) -> None:
    deadline = simulation.env.monotonic() + 300
    while True:
        status = (await simulation.rest.get(PODDISRUPTIONBUDGETS, "default", "guard")).object["status"]
        if status["disruptionsAllowed"] == wanted and len(await ready(simulation)) == REPLICAS:
            return
        assert simulation.env.monotonic() < deadline, status
        await simulation.env.sleep(0.5)


async def evict(simulation: Simulation, outcomes: list[str], seconds: float) -> None:
    """One of those who drain: any Pod that serves, again and again."""
    deadline = simulation.env.monotonic() + seconds
    while simulation.env.monotonic() < deadline:
        names = await ready(simulation)
        assert len(names) >= LEAST
        name = names[int(simulation.env.chance() * len(names))]
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        try:
            await simulation.rest.create(PODS, "default", body, name=name, subresource="eviction")
            outcomes.append("granted")
        except TooManyRequests:
            outcomes.append("refused")
        except ApiError as error:
            outcomes.append(error.reason)
        assert len(await ready(simulation)) >= LEAST
        await simulation.env.sleep(0.1 + simulation.env.chance() / 2)


@pytest.mark.parametrize("seed", range(2))
def test_however_many_drain_no_more_pods_go_than_the_budget_allows(seed: int) -> None:
    async def scenario() -> None:
        async with Simulation(seed, nodes=2, faults=ROUGH).running() as simulation:
            guarded, budget = objects()
            await simulation.rest.create(DEPLOYMENTS, "default", guarded)
            await simulation.rest.create(PODDISRUPTIONBUDGETS, "default", budget)
            await until_allowed(simulation, REPLICAS - LEAST)
            outcomes: list[str] = []
            await asyncio.gather(*(evict(simulation, outcomes, 8) for _ in range(4)))
            assert outcomes.count("granted") > 5
            assert outcomes.count("refused") > 10
            simulation.calm()
            await until_allowed(simulation, REPLICAS - LEAST)
            status = (await simulation.rest.get(PODDISRUPTIONBUDGETS, "default", "guard")).object["status"]
            assert not status.get("disruptedPods")

    run(scenario())
