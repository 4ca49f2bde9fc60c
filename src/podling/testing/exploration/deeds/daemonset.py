"""DaemonSets: rolled out by taking away first or by surging, deleted."""

from __future__ import annotations

import random

from podling.client.resources import DAEMONSETS
from podling.testing.exploration.deeds.drawing import Json, ends, moment, rollouts, template, thing
from podling.testing.exploration.plan import Create, Move


def moves(chance: random.Random, name: str, namespace: str) -> list[Move]:
    spec: Json = {"selector": {"matchLabels": {"app": name}}, "template": template(chance, name)}
    if chance.random() < 0.3:
        spec["updateStrategy"] = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    return [
        Create(moment(chance, 0, 10), DAEMONSETS, thing("apps/v1", "DaemonSet", name, spec), namespace),
        *rollouts(chance, DAEMONSETS, name, namespace, (0, 1, 1), first=10),
        *ends(chance, DAEMONSETS, name, namespace),
    ]
