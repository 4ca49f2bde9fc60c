"""Two kinds beside each other: what the same operations cost on each, in processor time."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from podling.apiserver.message import Request, Response, User
from tests.apiserver.serving import Api

ADMIN = User("kubernetes-admin", ("system:masters", "system:authenticated"))
ROUNDS = 3
Json = dict[str, Any]


class Nowhere:
    """A client that takes everything at once."""

    backlog = 0

    async def write(self, data: bytes, patience: float | None = None) -> None:
        """Gone."""


class Side:
    """One of the two kinds: the same 1 KiB in each object."""

    def __init__(self, api: Api, base: str, head: Json, content: Json) -> None:
        self._api, self._base, self._head, self._content = api, base, head, content

    async def call(self, method: str, path: str = "", body: bytes = b"") -> None:
        headers = {"content-type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
        request = Request(method, self._base + path, (), headers, body, certificate_user=ADMIN)
        outcome = await self._api.server.handle(request)
        if isinstance(outcome, Response):
            assert outcome.status < 300, outcome.body
        else:
            await outcome.run(Nowhere())  # type: ignore[union-attr]

    async def create(self, name: str) -> None:
        await self.call("POST", "", json.dumps({**self._head, "metadata": {"name": name}, **self._content}).encode())

    async def costs(self, number: int) -> dict[str, float]:
        """Processor time in microseconds an operation."""
        body = [json.dumps({"metadata": {"labels": {"a": str(each)}}}).encode() for each in range(300)]
        return {
            "create": await _spent(300, lambda i: self.create(f"o{number}-{i}")),
            "GET": await _spent(300, lambda i: self.call("GET", f"/o{number}-{i}")),
            "LIST": await _spent(10, lambda _: self.call("GET")),
            "merge patch": await _spent(300, lambda i: self.call("PATCH", f"/o{number}-{i}", body[i])),
            "delete": await _spent(300, lambda i: self.call("DELETE", f"/o{number}-{i}")),
        }


async def _spent(times: int, act: Callable[[int], Awaitable[None]]) -> float:
    began = time.process_time()
    for index in range(times):
        await act(index)
    return (time.process_time() - began) / times * 1e6


async def compared(ours: Side, theirs: Side) -> dict[str, float]:
    """Our cost as a share of theirs by operation, the least of some rounds on both sides."""
    least: tuple[dict[str, float], dict[str, float]] = ({}, {})
    for number in range(ROUNDS):
        for side, costs in zip((theirs, ours), least, strict=True):
            for name, cost in (await side.costs(number)).items():
                costs[name] = min(cost, costs.get(name, cost))
    return {name: round(least[1][name] / cost, 2) for name, cost in least[0].items()}
