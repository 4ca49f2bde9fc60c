"""Each request has an Audit-ID: the client's own or a new one, said back in the answer."""

from __future__ import annotations

from podling.apiserver.message import Request
from podling.env import Env

MAX_LENGTH = 64


class RequestId:
    """New ids have the shape of a UUID: a random beginning of this server's, then a counter (a system call less)."""

    def __init__(self, env: Env) -> None:
        self._beginning = env.uid()[:24]
        self._count = 0

    def enter(self, request: Request) -> None:
        given = request.headers.get("audit-id")
        if given and given.isprintable():
            request.audit_id = given[:MAX_LENGTH]
        else:
            self._count += 1
            request.audit_id = f"{self._beginning}{self._count:012x}"
