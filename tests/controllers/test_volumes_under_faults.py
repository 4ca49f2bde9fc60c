"""No volume is given twice and none is lost, while claims come and go and everything fails now and then."""

from __future__ import annotations

from typing import Any

import pytest

from podling.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from podling.testing.scenarios import ROUGH, items
from podling.testing.simulation import Simulation
from podling.testing.virtualtime import run

Json = dict[str, Any]
CLAIMS, VOLUMES = 6, 8


def claim(name: str) -> Json:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def volume(name: str) -> Json:
    spec = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/data"}}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}


async def watch(simulation: Simulation, seconds: float) -> None:
    """Two claims never have the same volume, and a volume that a claim has is its."""
    deadline = simulation.env.monotonic() + seconds
    while simulation.env.monotonic() < deadline:
        await simulation.env.sleep(0.1)
        claims = await items(simulation.rest, PERSISTENTVOLUMECLAIMS)
        named = [each["spec"]["volumeName"] for each in claims if each["spec"].get("volumeName")]
        assert len(set(named)) == len(named)
        assert not [each for each in claims if each["status"]["phase"] == "Lost"]
        held = {each["metadata"]["name"]: each["spec"] for each in await items(simulation.rest, PERSISTENTVOLUMES, "")}
        for each in claims:
            name = each["spec"].get("volumeName")
            assert not name or held[name]["claimRef"]["uid"] == each["metadata"]["uid"]


async def phases(simulation: Simulation) -> list[str]:
    return sorted(each["status"]["phase"] for each in await items(simulation.rest, PERSISTENTVOLUMES, ""))


@pytest.mark.parametrize("seed", range(3))
def test_every_claim_gets_a_volume_of_its_own(seed: int) -> None:
    async def scenario() -> None:
        async with Simulation(seed, nodes=0, faults=ROUGH).running() as simulation:
            for number in range(VOLUMES):
                if number < CLAIMS:
                    await simulation.rest.create(PERSISTENTVOLUMECLAIMS, "default", claim(f"c{number}"))
                await simulation.rest.create(PERSISTENTVOLUMES, "", volume(f"v{number}"))
            await watch(simulation, 60)
            await simulation.rest.delete(PERSISTENTVOLUMECLAIMS, "default", "c0")
            await watch(simulation, 60)
            simulation.calm()
            await watch(simulation, 60)
            bound = await items(simulation.rest, PERSISTENTVOLUMECLAIMS)
            assert [each["status"]["phase"] for each in bound] == ["Bound"] * (CLAIMS - 1)
            assert await phases(simulation) == ["Available"] * 2 + ["Bound"] * 5 + ["Released"]

    run(scenario())
