"""StatefulSets: in order or parallel, with partitions, first ordinals, claims of their own, rollouts and evictions."""

from __future__ import annotations

import random

from podling.client.resources import STATEFULSETS
from podling.testing.exploration.deeds.claims import claim_spec, volumes
from podling.testing.exploration.deeds.deployment import guarded
from podling.testing.exploration.deeds.drawing import Json, ends, moment, rollouts, scalings, template, thing
from podling.testing.exploration.plan import Create, Move

MOST = 4


def moves(chance: random.Random, name: str, namespace: str) -> list[Move]:
    spec: Json = {
        "replicas": chance.randint(1, MOST),
        "serviceName": name,
        "selector": {"matchLabels": {"app": name}},
        "podManagementPolicy": chance.choice(("OrderedReady", "OrderedReady", "Parallel")),
    }
    if chance.random() < 0.3:
        spec["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": {"partition": chance.randint(0, 2)}}
    if chance.random() < 0.2:
        spec["ordinals"] = {"start": chance.randint(1, 3)}
    claimed = namespace == "default" and chance.random() < 0.35
    if claimed:
        spec["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": claim_spec()}]
        kept = {"whenDeleted": chance.choice(("Retain", "Delete")), "whenScaled": chance.choice(("Retain", "Delete"))}
        spec["persistentVolumeClaimRetentionPolicy"] = kept
    body = thing("apps/v1", "StatefulSet", name, spec | {"template": template(chance, name)})
    return [
        *(volumes(chance, name, 2 * MOST) if claimed else ()),
        Create(moment(chance, 0, 10), STATEFULSETS, body, namespace),
        *rollouts(chance, STATEFULSETS, name, namespace, (0, 1, 1, 2)),
        *scalings(chance, STATEFULSETS, name, namespace, most=MOST),
        *guarded(chance, name, namespace),
        *ends(chance, STATEFULSETS, name, namespace),
    ]
