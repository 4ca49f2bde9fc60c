"""The smallest plan that still breaks the rule: deeds, troubles and faults are left out one by one while it does."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podling.testing.exploration.explore import Outcome, lived
from podling.testing.exploration.plan import Create, Move, Plan

TRIES = 120


def shrunk(plan: Plan, outcome: Outcome) -> tuple[Plan, Outcome]:
    """The smaller plan and how it went; both as given where nothing can be left out."""
    rule, tries, smaller = _rule(outcome), 0, True
    while smaller:
        smaller = False
        for candidate in _smaller(plan):
            if (tries := tries + 1) > TRIES:
                return plan, outcome
            result = lived(candidate)
            if result.violations and _rule(result) == rule:
                plan, outcome, smaller = candidate, result, True
                break
    return plan, outcome


def _rule(outcome: Outcome) -> str:
    """A violation without what differs from one history to the next: times, names, numbers."""
    words = outcome.violations[0].split()
    return " ".join(word for word in words if word.isalpha() and word.islower())


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Larger cuts first."""
    for name in dict.fromkeys(_about(move) for move in plan.moves):
        kept = tuple(move for move in plan.moves if _about(move) != name)
        yield msgspec.structs.replace(plan, moves=kept)
    for name in plan.faults.__struct_fields__:
        if getattr(plan.faults, name):
            yield msgspec.structs.replace(plan, faults=msgspec.structs.replace(plan.faults, **{name: 0.0}))
    for left_out in plan.moves:
        if not isinstance(left_out, Create):
            yield msgspec.structs.replace(plan, moves=tuple(move for move in plan.moves if move is not left_out))


def _about(move: Move) -> str:
    """Whom a move is about: an application with all that belongs to it, or a component in trouble."""
    for field in ("app", "target", "name"):
        if found := getattr(move, field, ""):
            return str(found).partition("-")[0] if field == "name" else str(found)
    return type(move).__name__
