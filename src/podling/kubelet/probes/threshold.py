"""When a row of answers becomes a verdict: success and failure thresholds, as a pure counter."""

from __future__ import annotations

import msgspec

from podling.api.kinds.core.container import Probe


class Count(msgspec.Struct, frozen=True):
    """`verdict` None: not decided yet."""

    verdict: bool | None = None
    last: bool | None = None
    in_a_row: int = 0


def counted(count: Count, success: bool, probe: Probe) -> Count:
    """The count after one more answer."""
    in_a_row = count.in_a_row + 1 if success == count.last else 1
    needed = max(probe.success_threshold if success else probe.failure_threshold, 1)
    verdict = success if in_a_row >= needed else count.verdict
    return Count(verdict, success, in_a_row)
