"""Run a coroutine on virtual time: waiting costs nothing, an hour passes in a moment.

Plain asyncio over a selector that never waits: where nothing is ready, the clock jumps to the next timer. Everything
that asks the loop or `SimulatedEnv` for the time sees the same clock. (The library looptime turns its loop seven times
for each handle that runs, which is most of the cost of a simulation.)
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class Stuck(RuntimeError):
    """Everybody waits for somebody else: no timer is set and nothing can arrive."""


class _Clock(selectors.BaseSelector):
    """A selector whose waiting is a jump of its own time."""

    def __init__(self) -> None:
        self._inner = selectors.DefaultSelector()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0:
            # Something is ready to run; nothing comes from outside that could not wait for it.
            return []
        if ready := self._inner.select(0):
            return ready
        if timeout is None:
            raise Stuck("nothing is ready, no timer is set")
        self.now += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def close(self) -> None:
        self._inner.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose time begins at 0.0 and passes only while everybody waits."""

    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """On a new loop. Raises `Stuck` where the scenario can never end."""
    loop = VirtualLoop()
    try:
        result: T = loop.run_until_complete(scenario)
        loop.run_until_complete(loop.shutdown_asyncgens())
        return result
    finally:
        loop.close()
