"""Objects that a user ties together by owners: who belongs to whom goes with them, also past one that is held."""

from __future__ import annotations

import random

from podling.client.resources import CONFIGMAPS
from podling.testing.exploration.deeds.drawing import moment
from podling.testing.exploration.deeds.held import FINALIZER
from podling.testing.exploration.plan import BUSY, Create, Delete, Move, Release


def moves(chance: random.Random, name: str, namespace: str) -> list[Move]:
    """A root, a branch of it that is held by a finalizer, and what belongs to the branch."""
    begin, end = moment(chance, 0, 10), moment(chance, 20, BUSY - 25)
    made: list[Move] = [_made(begin, f"{name}-root", namespace), _made(begin + 2, f"{name}-branch", namespace, "root")]
    made += [_made(begin + 4, f"{name}-leaf{number}", namespace, "branch") for number in range(chance.randint(1, 2))]
    return [
        *made,
        Delete(end, CONFIGMAPS, f"{name}-root", chance.choice(("Background", "Foreground")), namespace),
        Release(end + moment(chance, 5, 20), CONFIGMAPS, f"{name}-branch", FINALIZER, namespace),
    ]


def _made(at: float, name: str, namespace: str, owner: str = "") -> Create:
    metadata = {"name": name, "labels": {"app": name}} | ({"finalizers": [FINALIZER]} if owner == "root" else {})
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    return Create(at, CONFIGMAPS, body, namespace, f"{name.partition('-')[0]}-{owner}" if owner else "")
