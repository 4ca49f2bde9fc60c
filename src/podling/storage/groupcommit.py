"""The queue of writes of a store: decided at once, written in batches, acknowledged when they are committed.

One batch is under way at a time; what arrives meanwhile is the next one, so the batch grows with the load and the
cost of a commit is shared. Where a commit is dear, a batch also waits for as many writers as the last one had, while
they keep coming: eight busy clients then share one commit instead of three, which halves the CPU of a write. A batch
that fails takes everything queued behind it along, because that was decided on heads which never came to be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from podling.storage.interface import Changed, Commit, KeyExists, KeyNotFound, Row, StorageError
from podling.storage.ledger import Ledger

BATCH_ROWS = 1000
BATCH_BYTES = 16 << 20

LONGEST_WAIT = 4
"""A batch waits at most for so many times the patience, however steadily writers come."""

Finished = Callable[[StorageError | None], None]
WriteBatch = Callable[[Sequence[Row], Finished], None]
"""Make the rows durable, then call back on the loop: with None, or with why nothing was written."""


class _Waiting(NamedTuple):
    """`settled` is its writer's own: a writer that is cancelled cancels it, and nobody else."""

    row: Row
    settled: asyncio.Future[StorageError | None]


class GroupCommit:
    """`put(key, decide)` is one write; `write` carries a batch out, `publish` hears of it before any writer does."""

    def __init__(
        self,
        ledger: Ledger,
        write: WriteBatch,
        publish: Callable[[Sequence[Commit]], None],
        *,
        patience: float = 0.0,
    ) -> None:
        """`patience`: seconds without a new writer after which a batch waits no longer for those it expects."""
        self._ledger, self._write, self._publish = ledger, write, publish
        self._patience = patience
        self._expected = 1
        self._queue: list[_Waiting] = []
        self._batch: list[_Waiting] = []
        self._leaving = False
        self._timer: asyncio.TimerHandle | None = None
        self._first = self._last = 0.0
        self._pending: dict[str, Row] = {}
        self._refused: dict[str, asyncio.Future[None]] = {}

    async def put(self, key: str, decide: Callable[[], Row]) -> Row:
        """Decide against the pending heads; a refusal that leans on a pending row waits until that has settled, so
        what a caller is told is always committed."""
        while True:
            try:
                row = decide()
            except (KeyExists, KeyNotFound, Changed):
                if not self._ledger.is_pending(key):
                    raise
                await self._settled(key)
                continue
            break
        settled: asyncio.Future[StorageError | None] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(row, settled))
        self._pending[key] = row
        self._schedule()
        if (error := await settled) is not None:
            raise error
        return row

    async def drained(self) -> None:
        """Until nothing is queued or under way."""
        while waiting := [*self._batch, *self._queue]:
            await self._settled(waiting[-1].row.key)

    async def _settled(self, key: str) -> None:
        """Until the last pending row of `key` is committed or rolled back."""
        if key not in self._refused:
            self._refused[key] = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._refused[key]])

    def _schedule(self) -> None:
        if self._batch:
            return
        loop = asyncio.get_running_loop()
        if len(self._queue) >= self._expected or not self._patience:
            if not self._leaving:
                self._leaving = True
                loop.call_soon(self._flush)
            return
        self._last = loop.time()
        if self._timer is None:
            self._first = self._last
            self._timer = loop.call_later(self._patience, self._look)

    def _look(self) -> None:
        """The patience is over, unless somebody came meanwhile: then others are on their way, too."""
        loop = asyncio.get_running_loop()
        patient_until = min(self._last + self._patience, self._first + LONGEST_WAIT * self._patience)
        if patient_until > loop.time():
            self._timer = loop.call_at(patient_until, self._look)
        else:
            self._flush()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._leaving = False
        if self._batch or not self._queue:
            return
        count = size = 0
        while count < min(len(self._queue), BATCH_ROWS) and size < BATCH_BYTES:
            size += len(self._queue[count].row.value)
            count += 1
        self._batch, self._queue = self._queue[:count], self._queue[count:]
        self._write([waiting.row for waiting in self._batch], self._finished)

    def _finished(self, error: StorageError | None) -> None:
        done, self._batch = self._batch, []
        # Fewer came than before: some may only have been late, so what is expected falls slowly.
        self._expected = max(len(done) + len(self._queue), self._expected * 3 // 4)
        if error is None:
            self._publish(self._ledger.commit([waiting.row for waiting in done]))
        else:
            done, self._queue = done + self._queue, []
            self._ledger.roll_back()
        for row, settled in done:
            if self._pending.get(row.key) is row:
                del self._pending[row.key]
                if (refused := self._refused.pop(row.key, None)) is not None:
                    refused.set_result(None)
            if not settled.done():
                settled.set_result(error)
        if self._queue:
            self._schedule()
