"""Which deeds and troubles meet in the plan of a seed, and how often messages fail in it."""

from __future__ import annotations

import random
from typing import Final

from podling.client.resources import RESOURCEQUOTAS
from podling.testing.exploration import troubles
from podling.testing.exploration.deeds import (
    autoscaled,
    claims,
    cronjob,
    daemonset,
    deployment,
    family,
    important,
    job,
    replicas,
    space,
    statefulset,
)
from podling.testing.exploration.deeds.drawing import Maker, moment, thing
from podling.testing.exploration.deeds.held import held
from podling.testing.exploration.plan import Create, Move, Plan
from podling.testing.faults import Faults

WORKLOADS: Final[dict[str, Maker]] = {
    "agent": daemonset.moves,
    "api": deployment.moves,
    "auto": autoscaled.moves,
    "cron": cronjob.moves,
    "db": statefulset.moves,
    "files": claims.moves,
    "old": replicas.controller,
    "set": replicas.replica_set,
    "shop": deployment.moves,
    "space": space.moves,
    "task": job.moves,
    "vip": important.moves,
    "web": deployment.moves,
}
"""By the beginning of the names they get. What matters most is there more than once."""


def plan_of(seed: int) -> Plan:
    """The plan of a seed."""
    chance = random.Random(seed)
    nodes = chance.randint(2, 3)
    moves: list[Move] = []
    for number, kind in enumerate(chance.sample(sorted(WORKLOADS), k=chance.choice((1, 2, 2, 3))), 1):
        moves += WORKLOADS[kind](chance, f"{kind}{number}", "default")
    if chance.random() < 0.35:
        moves += family.moves(chance, "family", "default")
    moves = held(chance, moves)
    if chance.random() < 0.25:
        moves.append(_quota(chance))
    if chance.random() < 0.7:
        moves += troubles.drawn(chance, nodes)
    return Plan(seed, nodes, _faults(chance), tuple(sorted(moves, key=lambda move: move.at)))


def _quota(chance: random.Random) -> Create:
    hard = {"pods": str(chance.randint(2, 7))}
    return Create(moment(chance, 0, 5), RESOURCEQUOTAS, thing("v1", "ResourceQuota", "quota", {"hard": hard}))


def _faults(chance: random.Random) -> Faults:
    """Every fault is absent in a third of the plans, so that none hides what another one shows."""

    def rate(most: float) -> float:
        return 0.0 if chance.random() < 0.35 else chance.random() * most

    return Faults(
        lost_watch=rate(0.05),
        expired_watch=rate(0.04),
        late_watch=rate(0.02),
        repeated_events=rate(0.1),
        conflict=rate(0.1),
        lost_request=rate(0.06),
        lost_answer=rate(0.06),
        too_many=rate(0.05),
        broken=rate(0.05),
        storage=rate(0.03),
        delay=rate(0.2),
    )
