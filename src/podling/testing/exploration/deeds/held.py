"""A finalizer of the user's own: what is deleted stays until he lets it go, and so does all that belongs to it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

import msgspec

from podling.testing.exploration.deeds.drawing import moment
from podling.testing.exploration.plan import Create, Delete, Move, Release

FINALIZER: Final = "example.com/held"
OWNING: Final = ("apps", "batch")


def held(chance: random.Random, moves: Sequence[Move]) -> list[Move]:
    """The same moves, where some of what is deleted is held for a while."""
    out = list(moves)
    for delete in moves:
        if isinstance(delete, Delete) and delete.resource.group in OWNING and chance.random() < 0.4:
            out = [_with_finalizer(move) if _made(move, delete) else move for move in out]
            at = delete.at + moment(chance, 3, 20)
            out.append(Release(at, delete.resource, delete.name, FINALIZER, delete.namespace))
    return out


def _made(move: Move, delete: Delete) -> bool:
    if not isinstance(move, Create):
        return False
    return (move.resource, move.namespace, move.name) == (delete.resource, delete.namespace, delete.name)


def _with_finalizer(move: Move) -> Move:
    assert isinstance(move, Create)
    metadata = move.body["metadata"] | {"finalizers": [FINALIZER]}
    return msgspec.structs.replace(move, body=move.body | {"metadata": metadata})
