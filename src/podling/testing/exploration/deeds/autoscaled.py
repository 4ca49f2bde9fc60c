"""Deployments whose replicas an autoscaler decides, by what their (simulated) Pods say they use."""

from __future__ import annotations

import random

from podling.client.resources import DEPLOYMENTS, HORIZONTALPODAUTOSCALERS
from podling.testing.exploration.deeds.drawing import Json, ends, moment, thing
from podling.testing.exploration.plan import BUSY, Change, Create, Move


def moves(chance: random.Random, name: str, namespace: str) -> list[Move]:
    spec = {"selector": {"matchLabels": {"app": name}}, "template": _using(name, chance)}
    metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 100}}
    rule: Json = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": chance.randint(1, 2),
        "maxReplicas": chance.randint(3, 6),
        "metrics": [{"type": "Resource", "resource": metric}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": chance.choice((0, 15, 60))}},
    }
    scaler = thing("autoscaling/v2", "HorizontalPodAutoscaler", name, rule)
    return [
        Create(moment(chance, 0, 10), DEPLOYMENTS, thing("apps/v1", "Deployment", name, spec), namespace),
        Create(moment(chance, 0, 20), HORIZONTALPODAUTOSCALERS, scaler, namespace),
        Change(moment(chance, 40, BUSY - 10), DEPLOYMENTS, name, {"template": _using(name, chance)}, namespace),
        *ends(chance, DEPLOYMENTS, name, namespace),
    ]


def _using(app: str, chance: random.Random) -> Json:
    used = {"podling.dev/simulated-cpu": chance.choice(("10m", "100m", "250m"))}
    container = {"name": "main", "image": "x:1", "resources": {"requests": {"cpu": "100m"}}}
    return {"metadata": {"labels": {"app": app}, "annotations": used}, "spec": {"containers": [container]}}
