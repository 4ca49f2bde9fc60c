"""How much an expression may cost, in upstream's units.

A unit is about a field access (KEP-2876). One evaluation may cost `PER_CALL`, all evaluations of one validation
together `PER_VALIDATION`; whoever evaluates several expressions hands the same budget to all of them. Costs are counted
while the expression runs, so that one that runs away is stopped, not waited for.
"""

from __future__ import annotations

from typing import Final

from podling.api.cel.errors import CelBudgetExceeded

PER_CALL: Final = 1_000_000
PER_VALIDATION: Final = 10_000_000
"""All rules of one object, and all validations of one admission policy."""
PER_MATCH: Final = 2_500_000
"""All match conditions of one webhook or policy."""


class Budget:
    """What is left for a series of evaluations; counts down.

    `call` bounds each evaluation by itself. `spent` is what all of them have cost so far.
    """

    __slots__ = ("_call", "left", "total")

    def __init__(self, total: int = PER_VALIDATION, call: int = PER_CALL) -> None:
        self.total, self._call = total, call
        self.left = total

    @property
    def spent(self) -> int:
        return self.total - max(self.left, 0)

    def begin(self) -> Meter:
        """What one evaluation draws from. Raises CelBudgetExceeded where nothing is left."""
        if self.left < 0:
            raise CelBudgetExceeded("operation cancelled: actual cost limit exceeded")
        return Meter(min(self.left, self._call))

    def settle(self, meter: Meter) -> None:
        """Take off what an evaluation cost; one that was cut off by the total leaves nothing."""
        self.left -= meter.limit - meter.left


class Meter:
    """One evaluation's share."""

    __slots__ = ("left", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = self.left = limit

    def charge(self, cost: int) -> None:
        """Raises CelBudgetExceeded."""
        self.left -= cost
        if self.left < 0:
            raise CelBudgetExceeded("operation cancelled: actual cost limit exceeded")
