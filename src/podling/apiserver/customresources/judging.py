"""Validation that may take longer than the loop can wait: rules of custom resources go to a thread then."""

from __future__ import annotations

from collections.abc import Callable

from podling.api.errors import Cause
from podling.api.schema.custom import BESIDE, Overlong
from podling.env import Env


async def judged(env: Env, look: Callable[[], list[Cause]]) -> list[Cause]:
    """What `look` finds. What it could not finish at once is done again beside the loop, where it may take its time."""

    def again() -> list[Cause]:
        token = BESIDE.set(True)
        try:
            return look()
        finally:
            BESIDE.reset(token)

    try:
        return look()
    except Overlong:
        pass
    return await env.in_thread(again)
