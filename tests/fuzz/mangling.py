"""What is wrong with a request: rubbish, any JSON, objects with parts changed, patches of all that and of nothing."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from random import Random
from typing import Any

Json = dict[str, Any]


RUBBISH = (
    "..",
    ".",
    "%",
    "a/b",
    "x" * 300,
    "A_B",
    "\u00fc",
    "0",
    "-",
    " ",
    "\x00",
    "null",
    "\ud7ff\U0001f600",
    "",
    "/",
    "\n",
)
SCALARS: Sequence[Any] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63 - 1, 2**63, 2**70, 1e308, -0.0, 1.5, "", "1", "100m", "1Gi", "50%"),
    *(
        "a.b/c",
        "2026-01-01T00:00:00Z",
        "10.96.0.1",
        "10.0.0.0/8",
        "fd00::1",
        "Always",
        "v1",
        "Pod",
        "one",
        "self == oldSelf",
    ),
)
KEYS = ("name", "metadata", "spec", "$patch", "$retainKeys", "$setElementOrder/containers", "key", "", "kind", "items")


def rubbish(random: Random) -> str:
    if random.random() < 0.7:
        return random.choice(RUBBISH)
    return "".join(
        chr(random.choice((random.randrange(32, 127), random.randrange(0xD800)))) for _ in range(random.randrange(12))
    )


def value(random: Random, depth: int = 3) -> Any:
    """Any JSON."""
    kind = random.randrange(6 if depth else 4)
    if kind < 3:
        return random.choice(SCALARS)
    if kind == 3:
        return rubbish(random)
    if kind == 4:
        return [value(random, depth - 1) for _ in range(random.randrange(4))]
    return {random.choice((*KEYS, rubbish(random))): value(random, depth - 1) for _ in range(random.randrange(4))}


def mutated(random: Random, body: Json) -> Any:
    """The object with up to three of its values replaced, removed or doubled, at any depth."""
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        _mutate(random, body)
    return body


def _mutate(random: Random, at: Any) -> None:
    while at:
        key = random.choice(list(at) if isinstance(at, dict) else range(len(at)))
        if not (isinstance(at[key], (dict, list)) and at[key] and random.random() < 0.75):
            break
        at = at[key]
    else:
        return
    change = random.randrange(6)
    if change == 0:
        del at[key]
    elif change == 1 and isinstance(at, dict):
        at[random.choice((*KEYS, rubbish(random)))] = at[key]
    elif change == 1:
        at.append(copy.deepcopy(at[key]))
    else:
        at[key] = value(random)


POINTERS = (
    *(
        "/metadata/labels",
        "/metadata/name",
        "/metadata/labels/a",
        "/spec",
        "/data/x",
        "/",
        "",
        "x",
        "/metadata/labels/-",
    ),
    *("/spec/~2", "/spec/0", "/metadata/finalizers/-", "/status", "/metadata/resourceVersion", "/metadata/annotations"),
)


def json_patch(random: Random) -> Any:
    if random.random() < 0.1:
        return value(random)
    return [_operation(random) for _ in range(random.randrange(1, 4))]


def _operation(random: Random) -> Json:
    operation: Json = {"op": random.choice(("add", "add", "remove", "replace", "move", "copy", "test", "x"))}
    if random.random() < 0.95:
        operation["path"] = random.choice(POINTERS)
    if random.random() < 0.8:
        operation["value"] = value(random)
    if random.random() < 0.4:
        operation["from"] = random.choice(POINTERS)
    return operation
