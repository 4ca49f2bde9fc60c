"""Costs in y: of each round the figure and the yardstick taken just before and behind it, of all rounds the median.

What else a machine does (neighbours, caches, clock rates) changes within minutes and weighs on both sides of a
quotient alike, so the quotient of one round says more than the least figure of one minute over the least unit of
another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import NamedTuple


class Quotient(NamedTuple):
    """`seconds` of CPU per 1,000 operations and `y`, each the median of all rounds; `times` that of their quotients."""

    seconds: float
    y: float
    times: float

    def __str__(self) -> str:
        return f"{self.times:.1f} y ({self.seconds:.4f} s, y = {self.y:.4f} s)"


class Quotients:
    """What some rounds have found."""

    def __init__(self) -> None:
        self._found: dict[str, list[tuple[float, float]]] = {}

    def add(self, figures: Mapping[str, float], units: Iterable[float]) -> None:
        """One round: seconds by label, and the yardsticks of its minute."""
        given = [*units]
        y = sum(given) / len(given)
        for label, seconds in figures.items():
            self._found.setdefault(label, []).append((seconds, y))

    def all(self) -> dict[str, Quotient]:
        return {
            label: Quotient(
                median(seconds for seconds, _ in rounds),
                median(y for _, y in rounds),
                median(seconds / y for seconds, y in rounds),
            )
            for label, rounds in self._found.items()
        }
