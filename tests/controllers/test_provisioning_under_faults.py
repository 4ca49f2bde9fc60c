"""Volumes that are made, attached and removed while everything fails now and then: each once, and nothing is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podling.client.resources import (
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
    STORAGECLASSES,
    VOLUMEATTACHMENTS,
)
from podling.reconcile.hostpathvolumes import STANDARD
from podling.testing.scenarios import ROUGH, items
from podling.testing.simulation import Simulation
from podling.testing.virtualtime import run

Json = dict[str, Any]
CLAIMS = 4


def claim(name: str, **more: Any) -> Json:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec | more}


def pod(name: str, claim: str, **more: Any) -> Json:
    container = {"name": "c", "image": "x", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": claim}}
    spec = {"containers": [container], "volumes": [volume], "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec | more}


def disk() -> Json:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "csi": {"driver": "disk.example.com", "volumeHandle": "d"},
        "persistentVolumeReclaimPolicy": "Retain",
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "d"}, "spec": spec}


def folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*/volumes/*"))


@pytest.mark.parametrize("seed", range(3))
def test_each_claim_gets_one_folder_and_takes_it_along(seed: int, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Simulation(seed, nodes=2, faults=ROUGH, folder=tmp_path).running() as simulation:
            rest = simulation.rest
            await rest.create(STORAGECLASSES, "", dict(STANDARD))
            for number in range(CLAIMS):
                await rest.create(PERSISTENTVOLUMECLAIMS, "default", claim(f"c{number}"))
                await rest.create(PODS, "default", pod(f"p{number}", f"c{number}"))
            await simulation.env.sleep(60)
            simulation.silence("controllers")
            simulation.start_controllers()
            await simulation.env.sleep(300)
            simulation.calm()
            await simulation.env.sleep(60)
            volumes = await items(rest, PERSISTENTVOLUMES, "")
            assert [each["status"]["phase"] for each in volumes] == ["Bound"] * CLAIMS
            assert folders(tmp_path) == sorted(each["metadata"]["name"] for each in volumes)
            for number in range(CLAIMS):
                await rest.delete(PODS, "default", f"p{number}")
                await rest.delete(PERSISTENTVOLUMECLAIMS, "default", f"c{number}")
            await simulation.env.sleep(60)
            assert await items(rest, PERSISTENTVOLUMES, "") == [] and folders(tmp_path) == []

    run(scenario())


@pytest.mark.parametrize("seed", range(3))
def test_a_disk_is_never_attached_to_two_nodes(seed: int, tmp_path: Path) -> None:
    async def attach(simulation: Simulation, seconds: float) -> None:
        """What the driver's attacher does, and what has to hold meanwhile."""
        until = simulation.env.monotonic() + seconds
        while simulation.env.monotonic() < until:
            await simulation.env.sleep(0.5)
            found = await items(simulation.rest, VOLUMEATTACHMENTS, "")
            assert len(found) <= 1, [each["spec"]["nodeName"] for each in found]
            for each in found:
                if not each["status"]["attached"]:
                    status = {"status": {"attached": True}}
                    await simulation.rest.patch_status(VOLUMEATTACHMENTS, "", each["metadata"]["name"], status)

    async def scenario() -> None:
        async with Simulation(seed, nodes=2, faults=ROUGH, folder=tmp_path).running() as simulation:
            rest = simulation.rest
            await rest.create(PERSISTENTVOLUMES, "", disk())
            await rest.create(PERSISTENTVOLUMECLAIMS, "default", claim("c", storageClassName=""))
            await simulation.env.sleep(30)
            for turn in range(4):
                where = {"kubernetes.io/hostname": f"node-{turn % 2 + 1}"}
                await rest.create(PODS, "default", pod(f"p{turn}", "c", nodeSelector=where))
                await attach(simulation, 40)
                if turn:
                    await rest.delete(PODS, "default", f"p{turn - 1}", grace=0)
                await attach(simulation, 40)
            simulation.calm()
            await attach(simulation, 60)
            (held,) = await items(rest, VOLUMEATTACHMENTS, "")
            assert held["spec"]["nodeName"] == "node-2"
            await rest.delete(PODS, "default", "p3", grace=0)
            await attach(simulation, 60)
            assert await items(rest, VOLUMEATTACHMENTS, "") == []

    run(scenario())
