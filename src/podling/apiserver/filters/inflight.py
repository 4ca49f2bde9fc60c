"""No more writes at work than the server can hold, and none of them all one user's; who comes too many comes again.

Reads are answered from memory and never wait, so they are not counted; nor are the requests of this process and of
`system:masters`, as upstream exempts them. A user may hold an equal share of the places, counted among those who hold
any and one who may yet come: alone it is a half, so that a runaway client never shuts others out.
"""

from __future__ import annotations

from podling.api.errors import TooManyRequests
from podling.apiserver.message import Outcome, Request
from podling.apiserver.metrics import Metrics

_READING = ("GET", "HEAD")


class InFlight:
    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit, self._metrics = limit, metrics
        self._held: dict[str, int] = {}

    def enter(self, request: Request) -> None:
        if request.method in _READING or request.in_process:
            return
        held, name = self._held, request.user.name
        own = held.get(name, 0)
        if self._too_many(own) and "system:masters" not in request.user.groups:
            self._metrics.rejected += 1
            raise TooManyRequests("Too many requests, please try again later.", retry_after=1)
        held[name] = own + 1
        self._metrics.mutating += 1

    def _too_many(self, own: int) -> bool:
        return self._metrics.mutating >= self._limit or own >= max(1, self._limit // (len(self._held) + 1))

    def leave(self, request: Request, outcome: Outcome) -> None:
        if request.method in _READING or request.in_process:
            return
        name = request.user.name
        left = self._held[name] - 1
        if left:
            self._held[name] = left
        else:
            del self._held[name]
        self._metrics.mutating -= 1
