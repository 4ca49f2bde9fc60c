"""Each request has an Audit-ID: the client's own or a new one, said back in the answer."""

from __future__ import annotations

from podling.apiserver.message import Request
from podling.env import Env

MAX_LENGTH = 64


class RequestId:
    def __init__(self, env: Env) -> None:
        self._env = env

    def enter(self, request: Request) -> None:
        given = request.headers.get("audit-id", "")
        request.audit_id = given[:MAX_LENGTH] if given and given.isprintable() else self._env.uid()
