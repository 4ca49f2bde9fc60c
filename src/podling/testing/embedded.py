"""What runs inside a test: one life, entered with `async with` in the test's own loop or with `with` in a thread.

It is written once, asynchronously. The synchronous face is a thread that runs the same coroutines on a loop of its
own, so that a blocking client in the test (kubectl, `requests`, the Python client) does not stand in the server's way.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

import uvloop

from podling.supervise import Supervisor

T = TypeVar("T")
Open = Callable[[AsyncExitStack, Supervisor], Awaitable[None]]


class Embedded:
    """Subclasses say in `_open` what is started; what they push on the stack is closed at the end.

    A component that fails while the block runs is heard of at its end: its exception is raised there.
    """

    def __init__(self) -> None:
        self._stack: AsyncExitStack | None = None
        self._thread: _Session | None = None

    async def _open(self, stack: AsyncExitStack, tasks: Supervisor) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        if self._stack is not None:
            raise RuntimeError(f"this {type(self).__name__} runs already; make another one beside it")
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(Supervisor())
            await self._open(stack, tasks)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stack, self._stack = self._stack, None
        if stack is not None:
            await stack.__aexit__(kind, error, trace)

    def __enter__(self) -> Self:
        self._thread = _Session(self)
        try:
            self._thread.start()
        except BaseException:
            self._thread = None
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.end()

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = 30.0) -> T:
        """From synchronous code: carry `work` out on the server's loop and return its result. TimeoutError after
        `timeout` seconds. In asynchronous code `await` does the same."""
        if self._thread is None:
            work.close()
            raise RuntimeError("run() belongs to the synchronous `with`; in `async with` await the call itself")
        return self._thread.run(work, timeout)


class _Session:
    """The thread of a synchronous `with`."""

    def __init__(self, embedded: Embedded) -> None:
        self._embedded = embedded
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._ended: Future[None] = Future()
        # A daemon: a test that is killed in its block must not keep the interpreter alive.
        self._thread = threading.Thread(target=self._main, name=f"podling {type(embedded).__name__}", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._loop, self._stop = self._started.result()

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._ended.result()

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._live())
            self._ended.set_result(None)
        except BaseException as error:  # noqa: BLE001  whoever waits in another thread has to hear of every end
            (self._ended if self._started.done() else self._started).set_exception(error)

    async def _live(self) -> None:
        async with self._embedded:
            stop = asyncio.Event()
            self._started.set_result((asyncio.get_running_loop(), stop))
            await stop.wait()
