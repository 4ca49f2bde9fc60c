"""Lengths of time as users write them: `300ms`, `2s`, `1m30s`, a bare number of seconds, or a span `1s..3s`. Pure."""

from __future__ import annotations

import re
import zlib

import msgspec

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PIECE = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


class Span(msgspec.Struct, frozen=True):
    """Seconds, from `least` to `most`."""

    least: float = 0.0
    most: float = 0.0

    def of(self, seed: str) -> float:
        """One length for this seed, the same whenever it is asked for."""
        if self.most <= self.least:
            return self.least
        return self.least + (self.most - self.least) * share(seed)


def share(seed: str) -> float:
    """A number in [0, 1) that only the seed decides."""
    return zlib.crc32(seed.encode()) / 2**32


def parse(text: str | float) -> Span:
    """Raises ValueError, in words for the user."""
    if isinstance(text, int | float):
        return Span(float(text), float(text))
    least, found, most = text.partition("..")
    first = _seconds(least)
    return Span(first, _seconds(most) if found else first)


def _seconds(text: str) -> float:
    text = text.strip()
    try:
        return float(text)
    except ValueError:
        pass
    pieces = _PIECE.findall(text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        raise ValueError(f"{text!r} is no length of time: write 300ms, 2s, 1m30s or a span as 1s..3s")
    return sum(float(number) * _UNITS[unit] for number, unit in pieces)
