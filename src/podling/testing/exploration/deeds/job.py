"""Jobs: a number of Pods or one for each index, which succeed or fail; suspended and resumed."""

from __future__ import annotations

import random

from podling.client.resources import JOBS
from podling.testing.exploration.deeds.drawing import Json, moment, template, thing
from podling.testing.exploration.plan import BUSY, ENDING_IMAGE, FAILING_IMAGE, Change, Create, Move


def moves(chance: random.Random, name: str, namespace: str) -> list[Move]:
    body = thing("batch/v1", "Job", name, spec(chance, name))
    if chance.random() < 0.75:
        return [Create(moment(chance, 0, 20), JOBS, body, namespace)]
    begin = moment(chance, 5, 30)
    return [
        Create(moment(chance, 0, 20), JOBS, body, namespace),
        Change(begin, JOBS, name, {"suspend": True}, namespace),
        Change(moment(chance, begin, BUSY), JOBS, name, {"suspend": False}, namespace),
    ]


def spec(chance: random.Random, app: str) -> Json:
    completions = chance.randint(1, 4)
    image = chance.choice((ENDING_IMAGE, ENDING_IMAGE, ENDING_IMAGE, FAILING_IMAGE))
    return {
        "completions": completions,
        "parallelism": chance.randint(1, completions),
        "completionMode": chance.choice(("NonIndexed", "Indexed")),
        "backoffLimit": 1 if image == FAILING_IMAGE else 20,
        "template": template(chance, app, image, restartPolicy="Never"),
    }
