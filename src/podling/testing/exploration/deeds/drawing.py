"""Words that all deeds are drawn with: moments, objects, templates, rollouts, scalings, ends."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from podling.client.transport import Resource
from podling.testing.exploration.plan import BUSY, Change, Delete, Move

Json = dict[str, Any]
Maker = Callable[[random.Random, str, str], list[Move]]


def moment(chance: random.Random, first: float, last: float) -> float:
    return round(first + chance.random() * (last - first), 3)


def thing(api_version: str, kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def template(chance: random.Random, app: str, image: str = "x:1", **spec: Any) -> Json:
    container: Json = {"name": "main", "image": image}
    if chance.random() < 0.5:
        container["resources"] = {"requests": {"cpu": chance.choice(("500m", "2", "3"))}}
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container], **spec}}


def image(number: int) -> Json:
    return {"template": {"spec": {"containers": [{"name": "main", "image": f"x:{number}"}]}}}


def rollouts(
    chance: random.Random, resource: Resource, name: str, namespace: str, counts: Sequence[int], first: float = 5
) -> list[Move]:
    """New images, one after the other; now and then back to the first one."""
    numbers = list(range(2, 2 + chance.choice(counts)))
    if len(numbers) > 1 and chance.random() < 0.3:
        numbers[-1] = 1
    times = sorted(moment(chance, first, BUSY - 20) for _ in numbers)
    return [Change(at, resource, name, image(number), namespace) for at, number in zip(times, numbers, strict=True)]


def scalings(chance: random.Random, resource: Resource, name: str, namespace: str, most: int = 6) -> list[Move]:
    return [
        Change(moment(chance, 5, BUSY - 10), resource, name, {"replicas": chance.randint(0, most)}, namespace)
        for _ in range(chance.choice((0, 1, 1, 2)))
    ]


def ends(
    chance: random.Random,
    resource: Resource,
    name: str,
    namespace: str,
    ways: Sequence[str] = ("Background", "Foreground"),
    first: float = 30,
) -> list[Move]:
    """Some are deleted again, in one of the ways there are."""
    if chance.random() < 0.65:
        return []
    return [Delete(moment(chance, first, BUSY), resource, name, chance.choice(ways), namespace)]
