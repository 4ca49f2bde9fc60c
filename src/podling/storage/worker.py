"""A thread of our own that does one job after another and answers on the loop.

SQLite releases the interpreter while it works, so this is one of the few places where a thread helps (DESIGN 8).
Jobs run in the order of their submission; a job's exception is its answer and never ends the thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_Job = Callable[[], None]


class Worker:
    """Starts its thread on construction; must be made and used on the loop's thread."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], T], done: Callable[[T | None, Exception | None], None]) -> None:
        """Run `job` in the thread, then `done(result, error)` on the loop."""

        def run() -> None:
            result: T | None = None
            error: Exception | None = None
            try:
                result = job()
            except Exception as caught:  # noqa: BLE001 (the caller on the loop is who can judge it)
                error = caught
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits for the answer any more
                self._loop.call_soon_threadsafe(done, result, error)

        self._jobs.put(run)

    async def call(self, job: Callable[[], T]) -> T:
        """Run `job` in the thread and return its result or raise its exception; cancelling does not stop it."""
        answer: asyncio.Future[T] = self._loop.create_future()

        def done(result: T | None, error: Exception | None) -> None:
            if answer.cancelled():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)  # type: ignore[arg-type]

        self.submit(job, done)
        return await answer

    async def stop(self) -> None:
        """After the jobs that are queued."""
        await self.call(lambda: self._jobs.put(None))
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
