"""What goes wrong at moments of its own, beside messages that fail all the time: who falls silent, crashes, repels."""

from __future__ import annotations

import random
from typing import Final

from podling.testing.exploration.deeds.drawing import moment
from podling.testing.exploration.plan import BUSY, Move, Trouble

NODE: Final = "node"
REPELLING: Final = ("taint", "expel", "cordon", "drain")
KINDS: Final = (
    # (what, whom, seconds at most)
    ("silence", "controllers", 10.0),
    ("silence", "scheduler", 10.0),
    ("crash", "controllers", 4.0),
    ("crash", "controllers", 4.0),
    ("crash", "scheduler", 4.0),
    ("crash", NODE, 10.0),
    ("silence", NODE, 120.0),
    ("silence", NODE, 450.0),
    ("remove", NODE, 60.0),
    ("taint", NODE, 85.0),
    ("expel", NODE, 60.0),
    ("cordon", NODE, 85.0),
    ("drain", NODE, 85.0),
    ("server", "", 8.0),
    ("jump", "", 4000.0),
)
_LONG: Final = ("taint", NODE, 85.0)


def drawn(chance: random.Random, nodes: int) -> list[Move]:
    """One in four begins with a node that takes no Pods for long."""
    first = [_one(chance, nodes, _LONG)] if chance.random() < 0.25 else []
    return [*first, *(_one(chance, nodes, chance.choice(KINDS)) for _ in range(chance.randint(1, 3)))]


def _one(chance: random.Random, nodes: int, kind: tuple[str, str, float]) -> Trouble:
    what, target, most = kind
    target = f"node-{chance.randint(1, nodes)}" if target == NODE else target
    if what in REPELLING:
        # Long enough that everybody has to know it, early enough that there is much to be placed.
        return Trouble(moment(chance, 0, 30), what, target, moment(chance, most / 2, most))
    seconds, at = moment(chance, 0, most), moment(chance, 5, BUSY - 10)
    if what == "jump" and chance.random() < 0.5:
        seconds = -seconds / 60
    return Trouble(at, what, target, seconds, chance.randint(1, 12) if what == "crash" else 0)
