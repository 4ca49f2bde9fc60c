"""Expressions that may take longer than the loop can wait: they are tried for a few milliseconds, then in a thread.

What was begun is done again as a whole, for nothing of it has been seen yet. Expressions that ask the authorizer stay
on the loop: a check is dear in units and cheap in time, and what it looks at belongs to the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from podling.api.cel import Budget, CelBudgetExceeded
from podling.env import Env

T = TypeVar("T")
ON_THE_LOOP: Final = 20_000
"""Units: a few milliseconds."""


class Overlong(Exception):
    """It takes longer than the loop can wait."""


class Limits:
    """The budgets of one judgement; `on_loop`: of its first try."""

    def __init__(self, *, on_loop: bool) -> None:
        self.on_loop = on_loop

    def budget(self, total: int) -> Budget:
        return Budget(min(total, ON_THE_LOOP) if self.on_loop else total)

    def exhausted(self, error: CelBudgetExceeded) -> None:
        """What to call where a budget was not enough, before anything is made of it. Raises Overlong."""
        if self.on_loop:
            raise Overlong from error


FULL: Final = Limits(on_loop=False)
_FIRST: Final = Limits(on_loop=True)


async def spared(env: Env, judge: Callable[[Limits], T], *, asks: bool) -> T:
    """What `judge` finds. `asks`: whether expressions ask the authorizer."""
    if asks:
        return judge(FULL)
    try:
        return judge(_FIRST)
    except Overlong:
        return await env.in_thread(judge, FULL)
