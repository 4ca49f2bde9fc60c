"""CronJobs: a Job each minute under each concurrency policy, suspended at last so that there can be rest."""

from __future__ import annotations

import random

from podling.client.resources import CRONJOBS
from podling.testing.exploration.deeds import job
from podling.testing.exploration.deeds.drawing import Json, ends, moment, thing
from podling.testing.exploration.plan import BUSY, Change, Create, Move


def moves(chance: random.Random, name: str, namespace: str) -> list[Move]:
    spec: Json = {
        "schedule": "* * * * *",
        "concurrencyPolicy": chance.choice(("Allow", "Forbid", "Replace")),
        "successfulJobsHistoryLimit": chance.randint(0, 2),
        "jobTemplate": {"spec": job.spec(chance, name)},
    }
    if chance.random() < 0.4:
        spec["startingDeadlineSeconds"] = chance.choice((20, 200))
    return [
        Create(moment(chance, 0, 10), CRONJOBS, thing("batch/v1", "CronJob", name, spec), namespace),
        Change(moment(chance, BUSY - 5, BUSY), CRONJOBS, name, {"suspend": True}, namespace),
        *ends(chance, CRONJOBS, name, namespace),
    ]
