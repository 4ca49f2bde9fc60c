"""Two applications that do not fit together, of which one matters more: who came first has to make room."""

from __future__ import annotations

import random

from podling.client.resources import DEPLOYMENTS, PRIORITYCLASSES, REPLICASETS
from podling.testing.exploration.deeds.deployment import guarded
from podling.testing.exploration.deeds.drawing import Json, ends, moment, scalings, thing
from podling.testing.exploration.plan import Create, Move


def moves(chance: random.Random, name: str, namespace: str) -> list[Move]:
    value = chance.choice((10, 1000))
    important = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}}
    many = {"replicas": chance.randint(4, 7), "selector": {"matchLabels": {"app": f"{name}-filler"}}}
    filler = thing("apps/v1", "ReplicaSet", f"{name}-filler", many | {"template": _large(f"{name}-filler", chance)})
    few = {"replicas": chance.randint(1, 2), "selector": {"matchLabels": {"app": name}}}
    few |= {"template": _large(name, chance, priorityClassName=name)}
    return [
        Create(moment(chance, 0, 5), PRIORITYCLASSES, important | {"value": value}, ""),
        Create(moment(chance, 0, 10), REPLICASETS, filler, namespace),
        Create(moment(chance, 15, 40), DEPLOYMENTS, thing("apps/v1", "Deployment", name, few), namespace),
        *scalings(chance, DEPLOYMENTS, name, namespace, most=3),
        *guarded(chance, f"{name}-filler", namespace),
        *ends(chance, DEPLOYMENTS, name, namespace),
    ]


def _large(app: str, chance: random.Random, **spec: str) -> Json:
    container = {"name": "main", "image": "x:1", "resources": {"requests": {"cpu": chance.choice(("3", "4"))}}}
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container], **spec}}
