"""Slow start: groups of 1, 2, 4, 8 … so that a thing that cannot work fails once and not a thousand times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def slow_start(items: Sequence[T]) -> Iterator[Sequence[T]]:
    begin, size = 0, 1
    while begin < len(items):
        yield items[begin : begin + size]
        begin, size = begin + size, size * 2
