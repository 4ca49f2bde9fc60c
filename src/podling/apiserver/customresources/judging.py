"""Validation that may take longer than the loop can wait: rules of custom resources go to a thread then."""

from __future__ import annotations

from collections.abc import Callable

from podling.api.errors import Cause
from podling.api.schema.custom import BESIDE, RATCHETED, Overlong
from podling.env import Env


async def judged(env: Env, look: Callable[[], list[Cause]], warn: Callable[[str], None] | None = None) -> list[Cause]:
    """What `look` finds. What it could not finish at once is done again beside the loop, where it may take its time.

    `warn` is told what was wrong before and has been left alone; it is not among the causes.
    """
    try:
        found = look()
    except Overlong:
        found = await _beside(env, look)
    if warn is None or not any(cause.reason == RATCHETED for cause in found):
        return found
    for cause in found:
        if cause.reason == RATCHETED:
            warn(f"{cause.field}: {cause.message}")
    return [cause for cause in found if cause.reason != RATCHETED]


async def _beside(env: Env, look: Callable[[], list[Cause]]) -> list[Cause]:
    def again() -> list[Cause]:
        token = BESIDE.set(True)
        try:
            return look()
        finally:
            BESIDE.reset(token)

    return await env.in_thread(again)
