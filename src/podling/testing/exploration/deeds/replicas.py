"""ReplicaSets and ReplicationControllers by themselves: made, scaled, deleted in every way, also leaving orphans."""

from __future__ import annotations

import random

from podling.client.resources import REPLICASETS, REPLICATIONCONTROLLERS
from podling.testing.exploration.deeds.drawing import ends, moment, scalings, template, thing
from podling.testing.exploration.plan import Create, Move

WAYS = ("Background", "Foreground", "Foreground", "Orphan")


def replica_set(chance: random.Random, name: str, namespace: str) -> list[Move]:
    spec = {"replicas": chance.randint(1, 6), "selector": {"matchLabels": {"app": name}}}
    body = thing("apps/v1", "ReplicaSet", name, spec | {"template": template(chance, name)})
    return [
        Create(moment(chance, 0, 10), REPLICASETS, body, namespace),
        *scalings(chance, REPLICASETS, name, namespace),
        *ends(chance, REPLICASETS, name, namespace, WAYS),
    ]


def controller(chance: random.Random, name: str, namespace: str) -> list[Move]:
    spec = {"replicas": chance.randint(1, 4), "selector": {"app": name}, "template": template(chance, name)}
    body = thing("v1", "ReplicationController", name, spec)
    return [
        Create(moment(chance, 0, 10), REPLICATIONCONTROLLERS, body, namespace),
        *scalings(chance, REPLICATIONCONTROLLERS, name, namespace, most=4),
        *ends(chance, REPLICATIONCONTROLLERS, name, namespace, WAYS),
    ]
