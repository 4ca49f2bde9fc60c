"""Asks nodes for their counters when somebody wants to know, and remembers the last two answers of each.

Nothing is asked in advance, so a cluster whose usage nobody looks at spends nothing on it. Who asks again soon gets
the same reading; who asks after a long time, or first, waits a second for the second sample.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import orjson

from podling.api.errors import ApiError, ServiceUnavailable
from podling.apiserver.metricsapi.readings import Reading, Sample, between, sample_of
from podling.apiserver.streams.pipe import Pipe
from podling.env import Env
from podling.network.dialer import Dialer

FRESH, STALE = 5.0, 60.0
"""Seconds: how long a reading is good for, and how far apart two samples may be to make one."""
SHORT = 1.0
"""Seconds between the first two samples."""
PATIENCE = 10.0


class Sampler:
    """One per server."""

    def __init__(self, dialer: Dialer, env: Env) -> None:
        self._dialer, self._env = dialer, env
        self._nodes: dict[str, _Node] = {}

    async def readings(self, names: Iterable[str]) -> Mapping[str, Reading]:
        """By node; nodes that do not answer are left out."""
        wanted = list(dict.fromkeys(names))
        found = await asyncio.gather(*(self._reading(name) for name in wanted))
        return {name: reading for name, reading in zip(wanted, found, strict=True) if reading is not None}

    def forget(self, names: Iterable[str]) -> None:
        """Nodes that are no more."""
        for name in names:
            self._nodes.pop(name, None)

    @property
    def known(self) -> tuple[str, ...]:
        return tuple(self._nodes)

    async def _reading(self, name: str) -> Reading | None:
        node = self._nodes.setdefault(name, _Node())
        async with node.turn:
            try:
                async with asyncio.timeout(PATIENCE):
                    return await self._read(node, name)
            except (ApiError, OSError, TimeoutError):
                return None

    async def _read(self, node: _Node, name: str) -> Reading:
        now = self._env.now()
        if node.latest is not None and node.reading is not None and now - node.latest.at < FRESH:
            return node.reading
        sample, before = await self._sample(name), node.latest
        if before is None or sample.at - before.at > STALE:
            await self._env.sleep(SHORT)
            before, sample = sample, await self._sample(name)
        node.latest, node.reading = sample, between(before, sample)
        return node.reading

    async def _sample(self, name: str) -> Sample:
        pipe = Pipe(await self._dialer.stream(name, {"verb": "stats"}))
        try:
            body = b""
            while data := await pipe.read():
                body += data
        finally:
            pipe.close()
        try:
            return sample_of(orjson.loads(body), self._env.now())
        except (ValueError, KeyError, TypeError) as error:
            raise ServiceUnavailable(f'node "{name}" told no statistics: {error}') from error


class _Node:
    """`turn`: who asks while an answer is under way waits for that one."""

    __slots__ = ("latest", "reading", "turn")

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.latest: Sample | None = None
        self.reading: Reading | None = None
