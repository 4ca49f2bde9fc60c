"""How far and how fast an autoscaler may go: stabilization windows, policies, rates, bounds. Pure.

A recommendation is what the metrics ask for. It is held back as long as recent ones said otherwise, then limited by
how much was scaled lately, then by the bounds (the documentation's "Configurable scaling behavior"). What was
recommended and done lately is the autoscaler's memory; a control plane that forgot it waits a window before it shrinks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

Json = Mapping[str, Any]
FACTOR, LEAST = 2, 4
"""Without a behavior: at most twice as many at once, or this many."""
WITHIN = ("DesiredWithinRange", "the desired count is within the acceptable range")
UP_STABILIZED = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
DOWN_STABILIZED = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
READY = ("ReadyForNewScale", "recommended size matches current size")
TOO_FAST = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
TOO_FAST_DOWN = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")


class Mark(msgspec.Struct, frozen=True):
    """A number of replicas (recommended, added, removed) and when, wall clock."""

    count: int
    at: float


class Memory(msgspec.Struct, frozen=True):
    recommended: tuple[Mark, ...] = ()
    added: tuple[Mark, ...] = ()
    removed: tuple[Mark, ...] = ()


class Wanted(msgspec.Struct, frozen=True):
    """What the metrics recommend for how many there are, and the bounds."""

    current: int
    recommended: int
    least: int
    most: int
    now: float


class Verdict(msgspec.Struct, frozen=True):
    """`replicas` to have; reasons and messages for the conditions AbleToScale and ScalingLimited."""

    replicas: int
    able: tuple[str, str]
    limited: bool
    limit: tuple[str, str]


def decide(wanted: Wanted, memory: Memory, behavior: Json | None, window: float) -> tuple[Verdict, Memory]:
    """`window`: seconds a scale-down waits where the behavior does not say. The memory to keep comes along."""
    if behavior is None:
        held, able = _held_down(wanted, memory, window)
        replicas, limit = _bounded(wanted, held)
        kept = _remembered(memory, wanted, window)
    else:
        up, down = _window(behavior, "scaleUp", 0.0), _window(behavior, "scaleDown", window)
        held, able = _held_both_ways(wanted, memory, up, down)
        replicas, limit = _paced(wanted, held, memory, behavior)
        kept = _remembered(memory, wanted, max(up, down))
    return Verdict(replicas, able, replicas != held, limit), kept


def scaled(memory: Memory, before: int, after: int, behavior: Json | None, now: float) -> Memory:
    """The memory after the target was given another size."""
    if behavior is None or before == after:
        return memory
    direction = "scaleUp" if after > before else "scaleDown"
    longest = max((each["periodSeconds"] for each in _policies(behavior, direction)), default=0)
    change = Mark(abs(after - before), now)
    if after > before:
        return msgspec.structs.replace(memory, added=(*_since(memory.added, now - longest), change))
    return msgspec.structs.replace(memory, removed=(*_since(memory.removed, now - longest), change))


def tolerance(behavior: Json | None, direction: str, default: float, parse: Callable[[str], float]) -> float:
    """How much the metrics may be off their target before anything is done."""
    said = ((behavior or {}).get(direction) or {}).get("tolerance")
    return default if said is None else parse(str(said))


def _held_down(wanted: Wanted, memory: Memory, window: float) -> tuple[int, tuple[str, str]]:
    held = max([wanted.recommended, *_counts(memory.recommended, wanted.now - window)])
    return held, READY if held == wanted.recommended else DOWN_STABILIZED


def _held_both_ways(wanted: Wanted, memory: Memory, up: float, down: float) -> tuple[int, tuple[str, str]]:
    """Not above the lowest of the scale-up window, not below the highest of the scale-down window."""
    floor = min([wanted.recommended, *_counts(memory.recommended, wanted.now - up)])
    ceiling = max([wanted.recommended, *_counts(memory.recommended, wanted.now - down)])
    held = min(max(wanted.current, floor), ceiling)
    if held == wanted.recommended:
        return held, READY
    return held, UP_STABILIZED if wanted.recommended >= wanted.current else DOWN_STABILIZED


def _bounded(wanted: Wanted, held: int) -> tuple[int, tuple[str, str]]:
    quickest = max(FACTOR * wanted.current, LEAST)
    most, limit = (quickest, TOO_FAST) if wanted.most > quickest else (wanted.most, TOO_MANY)
    if held < wanted.least:
        return wanted.least, TOO_FEW
    return (most, limit) if held > most else (held, WITHIN)


def _paced(wanted: Wanted, held: int, memory: Memory, behavior: Json) -> tuple[int, tuple[str, str]]:
    if held > wanted.current:
        quickest = max(wanted.current, _limit(wanted, memory, behavior, "scaleUp"))
        most, limit = (quickest, TOO_FAST) if wanted.most > quickest else (wanted.most, TOO_MANY)
        return (most, limit) if held > most else (held, WITHIN)
    if held < wanted.current:
        slowest = min(wanted.current, _limit(wanted, memory, behavior, "scaleDown"))
        least, limit = (slowest, TOO_FAST_DOWN) if wanted.least < slowest else (wanted.least, TOO_FEW)
        return (least, limit) if held < least else (held, WITHIN)
    return held, WITHIN


def _limit(wanted: Wanted, memory: Memory, behavior: Json, direction: str) -> int:
    """How many (up) or how few (down) the policies allow now."""
    up, rules = direction == "scaleUp", behavior.get(direction) or {}
    chosen = rules.get("selectPolicy") or "Max"
    if chosen == "Disabled":
        return wanted.current
    allowed = [_allowed(wanted, memory, policy, up=up) for policy in _policies(behavior, direction)]
    if not allowed:
        return wanted.current
    # The greatest change is the highest number on the way up and the lowest on the way down.
    return max(allowed) if up == (chosen == "Max") else min(allowed)


def _allowed(wanted: Wanted, memory: Memory, policy: Json, *, up: bool) -> int:
    since = wanted.now - policy["periodSeconds"]
    begun = wanted.current - sum(_counts(memory.added, since)) + sum(_counts(memory.removed, since))
    value = int(policy["value"])
    if policy["type"] == "Pods":
        return begun + value if up else begun - value
    return math.ceil(begun * (1 + value / 100)) if up else int(begun * (1 - value / 100))


def _remembered(memory: Memory, wanted: Wanted, window: float) -> Memory:
    recent = _since(memory.recommended, wanted.now - window)
    return msgspec.structs.replace(memory, recommended=(*recent, Mark(wanted.recommended, wanted.now)))


def _window(behavior: Json, direction: str, default: float) -> float:
    said = (behavior.get(direction) or {}).get("stabilizationWindowSeconds")
    return default if said is None else float(said)


def _policies(behavior: Json, direction: str) -> Iterable[Json]:
    found: Iterable[Json] = (behavior.get(direction) or {}).get("policies") or ()
    return found


def _since(marks: Iterable[Mark], moment: float) -> tuple[Mark, ...]:
    return tuple(each for each in marks if each.at > moment)


def _counts(marks: Iterable[Mark], moment: float) -> list[int]:
    return [each.count for each in _since(marks, moment)]
