"""Volumes and claims: bound, used by Pods, deleted while they are used."""

from __future__ import annotations

import random

from podling.client.resources import DEPLOYMENTS, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from podling.testing.exploration.deeds.drawing import Json, moment, template, thing
from podling.testing.exploration.plan import BUSY, Create, Delete, Move

SCRATCH = "scratch"
"""The name of volumes that live as long as their Pod."""
ONCE = {"accessModes": ["ReadWriteOnce"]}


def moves(chance: random.Random, name: str, namespace: str) -> list[Move]:
    """More volumes than claims; a Deployment mounts the first one, and both may be deleted in any order."""
    count = chance.randint(1, 3)
    body = thing("v1", "PersistentVolumeClaim", name, {})
    made: list[Move] = [*volumes(chance, name, count + 1)]
    for number in range(count):
        body = thing("v1", "PersistentVolumeClaim", f"{name}-{number}", claim_spec())
        made.append(Create(moment(chance, 0, 20), PERSISTENTVOLUMECLAIMS, body, namespace))
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": f"{name}-0"}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}}
    spec |= {"template": template(chance, name, volumes=[volume])}
    made.append(Create(moment(chance, 0, 20), DEPLOYMENTS, thing("apps/v1", "Deployment", name, spec), namespace))
    if chance.random() < 0.6:
        # In use or not: where the Deployment stays, the claim can only be told to go.
        made.append(Delete(moment(chance, 30, BUSY), DEPLOYMENTS, name, "Background", namespace))
        gone = f"{name}-{chance.randrange(count)}"
        made.append(Delete(moment(chance, 20, BUSY), PERSISTENTVOLUMECLAIMS, gone, "Background", namespace))
    return made


def claim_spec() -> Json:
    return {**ONCE, "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}


def volumes(chance: random.Random, name: str, count: int, policy: str = "Retain") -> list[Create]:
    """`policy`: what becomes of them when their claim is gone."""
    spec = {**ONCE, "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/data"}}
    spec |= {"persistentVolumeReclaimPolicy": policy}
    return [
        Create(moment(chance, 0, 20), PERSISTENTVOLUMES, thing("v1", "PersistentVolume", f"{name}-v{number}", spec), "")
        for number in range(count)
    ]
