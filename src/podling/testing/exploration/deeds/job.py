"""Jobs: Pods by number or by index, which succeed or fail, some with volumes of their own; suspended, deleted."""

from __future__ import annotations

import random

from podling.client.resources import JOBS
from podling.testing.exploration.deeds.claims import SCRATCH, claim_spec, volumes
from podling.testing.exploration.deeds.drawing import Json, ends, moment, template, thing
from podling.testing.exploration.plan import BUSY, ENDING_IMAGE, FAILING_IMAGE, Change, Create, Move

MOST = 4


def moves(chance: random.Random, name: str, namespace: str) -> list[Move]:
    given = spec(chance, name)
    out: list[Move] = []
    if namespace == "default" and chance.random() < 0.35:
        template = given["template"]
        scratch = {"name": SCRATCH, "ephemeral": {"volumeClaimTemplate": {"spec": claim_spec()}}}
        given |= {"template": template | {"spec": template["spec"] | {"volumes": [scratch]}}}
        out += volumes(chance, name, 4 * MOST, policy="Delete")
    out.append(Create(moment(chance, 0, 20), JOBS, thing("batch/v1", "Job", name, given), namespace))
    if chance.random() < 0.25:
        begin = moment(chance, 5, 30)
        out.append(Change(begin, JOBS, name, {"suspend": True}, namespace))
        out.append(Change(moment(chance, begin, BUSY), JOBS, name, {"suspend": False}, namespace))
    return out + ends(chance, JOBS, name, namespace, first=10)


def spec(chance: random.Random, app: str) -> Json:
    completions = chance.randint(1, MOST)
    image = chance.choice((ENDING_IMAGE, ENDING_IMAGE, ENDING_IMAGE, FAILING_IMAGE))
    return {
        "completions": completions,
        "parallelism": chance.randint(1, completions),
        "completionMode": chance.choice(("NonIndexed", "Indexed")),
        "backoffLimit": 1 if image == FAILING_IMAGE else 20,
        "template": template(chance, app, image, restartPolicy="Never"),
    }
