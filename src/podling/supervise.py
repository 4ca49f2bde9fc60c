"""The only place where a task is born.

Structured concurrency: a `Supervisor` owns its tasks, fails as a whole when one of them fails, and cancels them in
order of birth, so that a component started first (and that others lean on) is told first and the order is the same
in every run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


async def for_each(items: Iterable[T], act: Callable[[T], Awaitable[Any]], at_once: int = 8) -> None:
    """`act` on every item, so many at a time: the rest begin as others end, and the loop is never held by them all."""
    waiting = iter(items)

    async def work(first: T) -> None:
        await act(first)
        for item in waiting:
            await act(item)

    await asyncio.gather(*(work(first) for _, first in zip(range(at_once), waiting, strict=False)))


class Supervisor:
    """`async with Supervisor() as tasks: tasks.start("name", coroutine)`.

    Leaving the block cancels what still runs (a component runs until it is told to stop); `wait()` waits for the
    first failure or until all have ended. The first exception of a task is raised from the block or from `wait()`.
    """

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._failure: BaseException | None = None
        self._changed = asyncio.Event()
        self._finished = False

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start `work`; its failure ends the whole supervisor."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    async def wait(self) -> None:
        """Until one task failed (its exception is raised), all ended, or `finish` was called."""
        while self._tasks and self._failure is None and not self._finished:
            self._changed.clear()
            await self._changed.wait()
        if self._failure is not None:
            raise self._failure

    def finish(self) -> None:
        """Let `wait` return: it is time to leave the block. For signal handlers."""
        self._finished = True
        self._changed.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if error is None and self._failure is not None:
            raise self._failure

    async def stop(self) -> None:
        """Cancel in order of birth and wait for every end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None and self._failure is None:
            self._failure = error
        if self._failure is not None or not self._tasks:
            self._changed.set()
