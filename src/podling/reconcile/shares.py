"""Numbers that may be given as a share of a total: `3` or `25%`."""

from __future__ import annotations


def resolve(value: int | str | None, total: int, *, up: bool, missing: int = 0) -> int:
    """A percentage of `total`, rounded up or down; `missing` where there is none or it cannot be read."""
    if value is None:
        return missing
    if isinstance(value, int):
        return value
    number = value.removesuffix("%")
    if not number.isdigit():
        return missing
    share = int(number) * total
    return -(-share // 100) if up else share // 100
