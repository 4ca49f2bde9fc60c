"""A namespace with something in it, deleted with all that is there while it is still being made."""

from __future__ import annotations

import random

from podling.client.resources import NAMESPACES
from podling.testing.exploration.deeds import daemonset, deployment, job, replicas, statefulset
from podling.testing.exploration.deeds.drawing import moment
from podling.testing.exploration.plan import BUSY, Create, Delete, Move

INSIDE = (daemonset.moves, deployment.moves, deployment.moves, job.moves, replicas.replica_set, statefulset.moves)


def moves(chance: random.Random, name: str, namespace: str) -> list[Move]:
    """`namespace` is not used: it is made here, and has the name."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    inside = chance.choice(INSIDE)(chance, f"in{name}", name)
    out: list[Move] = [Create(0.0, NAMESPACES, body, ""), *inside]
    if chance.random() < 0.8:
        out.append(Delete(moment(chance, 20, BUSY), NAMESPACES, name, "Background", ""))
    return out
