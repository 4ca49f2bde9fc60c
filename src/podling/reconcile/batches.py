"""Slow start: groups of 1, 2, 4, 8 … so that a thing that cannot work fails once and not a thousand times.

No group is larger than what can be begun without holding up everybody else; and who looks at very many things pauses
between slices of them (an empty group), for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
MOST = 12
"""Writes begun together."""
SLICE = 256
"""Objects looked at between two pauses."""


def slow_start(items: Sequence[T]) -> Iterator[Sequence[T]]:
    begin, size = 0, 1
    while begin < len(items):
        yield items[begin : begin + size]
        begin, size = begin + size, min(size * 2, MOST)


def evenly(items: Sequence[T], size: int = MOST) -> Iterator[Sequence[T]]:
    """Groups of at most `size`."""
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]
