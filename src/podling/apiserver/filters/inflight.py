"""No more requests at work than the server can hold; who comes too many is asked to come again.

Long-running requests (watches and streams) are not counted, nor are those of this process and of `system:masters`,
as upstream exempts them.
"""

from __future__ import annotations

from podling.api.errors import TooManyRequests
from podling.apiserver.message import Outcome, Request

_READING = ("GET", "HEAD")
_LONG = ("exec", "attach", "portforward", "log", "proxy")


class InFlight:
    def __init__(self, reading: int, mutating: int) -> None:
        self._limits = {True: reading, False: mutating}
        self._now = {True: 0, False: 0}

    def enter(self, request: Request) -> None:
        if (reading := self._counted(request)) is None:
            return
        if self._now[reading] >= self._limits[reading] and "system:masters" not in request.user.groups:
            raise TooManyRequests("Too many requests, please try again later.", retry_after=1)
        self._now[reading] += 1

    def leave(self, request: Request, outcome: Outcome) -> None:
        if (reading := self._counted(request)) is not None:
            self._now[reading] -= 1

    @staticmethod
    def _counted(request: Request) -> bool | None:
        target = request.target
        if request.in_process or (target is not None and (target.verb == "watch" or target.subresource in _LONG)):
            return None
        return request.method in _READING
