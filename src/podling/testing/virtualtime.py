"""Run a coroutine on virtual time: waiting costs nothing, an hour passes in a moment.

Plain asyncio with looptime (an optional dependency, imported only here): when nothing is ready to run, the clock jumps
to the next timer. Everything that asks the loop or `SimulatedEnv` for the time sees the same clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """On a new loop whose time begins at 0.0."""
    import looptime

    loop = looptime.patch_event_loop(asyncio.SelectorEventLoop(), start=0.0, _enabled=True)
    try:
        result: T = loop.run_until_complete(scenario)
        loop.run_until_complete(loop.shutdown_asyncgens())
        return result
    finally:
        loop.close()
