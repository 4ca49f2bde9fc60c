"""Sets of completion indexes in the words of a Job's status: `1,3-5,7`."""

from __future__ import annotations

from collections.abc import Iterable


def parse(text: str | None, limit: int | None = None) -> frozenset[int]:
    """Those below `limit`; what cannot be read is left out."""
    out: set[int] = set()
    for piece in (text or "").split(","):
        first, _, last = piece.partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            continue
        end = int(last or first) + 1
        out.update(range(int(first), end if limit is None else min(end, limit)))
    return frozenset(out)


def text(indexes: Iterable[int]) -> str:
    """Runs of two are written with a comma, as upstream does."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(_run(first, last) for first, last in runs)


def _run(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"
