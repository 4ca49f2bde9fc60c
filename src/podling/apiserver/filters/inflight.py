"""No more writes at work than the server can hold; who comes too many is asked to come again.

Reads are answered from memory and never wait, so they are not counted; nor are the requests of this process and of
`system:masters`, as upstream exempts them.
"""

from __future__ import annotations

from podling.api.errors import TooManyRequests
from podling.apiserver.message import Outcome, Request

_READING = ("GET", "HEAD")


class InFlight:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._now = 0

    def enter(self, request: Request) -> None:
        if request.method in _READING or request.in_process:
            return
        if self._now >= self._limit and "system:masters" not in request.user.groups:
            raise TooManyRequests("Too many requests, please try again later.", retry_after=1)
        self._now += 1

    def leave(self, request: Request, outcome: Outcome) -> None:
        if request.method not in _READING and not request.in_process:
            self._now -= 1
