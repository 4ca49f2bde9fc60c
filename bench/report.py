"""How figures are printed: a title, then aligned rows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def row(name: str, *figures: str) -> None:
    print(f"{name:<44}" + "".join(f"{figure:>16}" for figure in figures), flush=True)


def spread(values: Sequence[float], unit: str = "s") -> str:
    """The median, with the lowest and highest in brackets."""
    if len(values) == 1:
        return f"{values[0]:.3f} {unit}"
    return f"{statistics.median(values):.3f} {unit} ({min(values):.2f}–{max(values):.2f})"
