"""Deployments with a Service: rolled out, rolled back, paused, scaled, guarded by a budget, evicted, deleted."""

from __future__ import annotations

import random

from podling.client.resources import DEPLOYMENTS, PODDISRUPTIONBUDGETS, SERVICES
from podling.testing.exploration.deeds.drawing import Json, ends, moment, rollouts, scalings, template, thing
from podling.testing.exploration.plan import BUSY, Change, Create, Evict, Move

STRATEGIES = ((1, 0), (0, 1), (1, 1), (2, 0), ("25%", "25%"), ("50%", "0%"))


def moves(chance: random.Random, name: str, namespace: str) -> list[Move]:
    surge, unavailable = chance.choice(STRATEGIES)
    strategy: Json = {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    if chance.random() < 0.2:
        strategy = {"type": "Recreate"}
    spec = {
        "replicas": chance.randint(1, 5),
        "selector": {"matchLabels": {"app": name}},
        "strategy": strategy,
        "minReadySeconds": chance.choice((0, 0, 3)),
    }
    body = thing("apps/v1", "Deployment", name, spec | {"template": template(chance, name)})
    service = {"selector": {"app": name}, "ports": [{"port": 80}]}
    return [
        Create(moment(chance, 0, 10), DEPLOYMENTS, body, namespace),
        Create(moment(chance, 0, 10), SERVICES, thing("v1", "Service", name, service), namespace),
        *rollouts(chance, DEPLOYMENTS, name, namespace, (0, 1, 1, 2, 3)),
        *scalings(chance, DEPLOYMENTS, name, namespace),
        *_paused(chance, name, namespace),
        *guarded(chance, name, namespace),
        *ends(chance, DEPLOYMENTS, name, namespace),
    ]


def _paused(chance: random.Random, name: str, namespace: str) -> list[Move]:
    if chance.random() < 0.8:
        return []
    begin = moment(chance, 5, 40)
    return [
        Change(begin, DEPLOYMENTS, name, {"paused": True}, namespace),
        Change(moment(chance, begin, BUSY), DEPLOYMENTS, name, {"paused": False}, namespace),
    ]


def guarded(chance: random.Random, name: str, namespace: str) -> list[Move]:
    """A disruption budget, and somebody who evicts."""
    if chance.random() < 0.6:
        return []
    limit: Json = {"minAvailable": chance.randint(1, 2)} if chance.random() < 0.7 else {"maxUnavailable": 1}
    budget = limit | {"selector": {"matchLabels": {"app": name}}}
    body = thing("policy/v1", "PodDisruptionBudget", name, budget)
    made: list[Move] = [Create(moment(chance, 0, 10), PODDISRUPTIONBUDGETS, body, namespace)]
    evictions = [
        Evict(moment(chance, 15, BUSY - 10), name, number, namespace) for number in range(chance.randint(1, 5))
    ]
    return made + evictions
