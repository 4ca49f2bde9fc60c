"""The filters that tell of requests: one behind authentication, which knows who asks; one before it sees the end.

They are in the list only where there is a log (`filters/chain.py`). Requests of components in this process are told as
theirs; what those read from the watch cache directly is no request.
"""

from __future__ import annotations

from typing import NamedTuple

from podling.api.schema import Schemas
from podling.apiserver.audit import events
from podling.apiserver.audit.log import AuditLog
from podling.apiserver.audit.policy import Policy, Telling, telling
from podling.apiserver.authorization.question import Authorizer, question_of
from podling.apiserver.message import ANONYMOUS, Connection, Outcome, Request, Response, Sink, Stream, Upgrade, User
from podling.env import Env

RECEIVED, STARTED, COMPLETE = "RequestReceived", "ResponseStarted", "ResponseComplete"
LONG = frozenset(("attach", "exec", "log", "portforward", "proxy"))
"""Subresources whose answers may take long."""


class _Told(NamedTuple):
    telling: Telling
    user: User
    received: float


class Auditing:
    """`begin` and `end` are the two filters."""

    def __init__(self, policy: Policy, log: AuditLog, env: Env, authorizer: Authorizer, schemas: Schemas) -> None:
        self.policy, self.log, self.env = policy, log, env
        self.authorizer, self.schemas = authorizer, schemas
        self.open: dict[int, _Told] = {}
        """Requests under way, by their identity."""
        self.begin, self.end = _Begin(self), _End(self)

    def event(self, request: Request, told: _Told, stage: str, outcome: Outcome | None = None) -> None:
        if stage not in told.telling.stages:
            return
        made = events.event(request, told.telling, stage, told.user, told.received, self.env.now())
        if stage != RECEIVED:
            events.add_request(made, request, told.telling, self.schemas)
        if isinstance(outcome, Response):
            events.add_response(made, outcome, told.telling, self.schemas)
        elif outcome is not None:
            code = 101 if isinstance(outcome, Upgrade) else outcome.status
            made["responseStatus"] = {"metadata": {}, "code": code}
        if stage != RECEIVED:
            made["annotations"] = self._annotations(request) | (request.notes or {})
        self.log.tell(made)

    def _annotations(self, request: Request) -> dict[str, str]:
        decision = self.authorizer.decide(question_of(request))
        said = "allow" if decision.allowed else "forbid"
        return {"authorization.k8s.io/decision": said, "authorization.k8s.io/reason": decision.reason}


class _Begin:
    def __init__(self, auditing: Auditing) -> None:
        self._auditing = auditing

    def enter(self, request: Request) -> None:
        auditing = self._auditing
        found = telling(auditing.policy, request.user, events.verb_of(request), request.path, request.target)
        told = auditing.open[id(request)] = _Told(found, request.user, auditing.env.now())
        if found.level:
            request.notes = {}
            auditing.event(request, told, RECEIVED)


class _End:
    def __init__(self, auditing: Auditing) -> None:
        self._auditing = auditing

    def leave(self, request: Request, outcome: Outcome) -> None:
        auditing = self._auditing
        told = auditing.open.pop(id(request), None) or self._stranger(request)
        if not told.telling.level:
            return
        if isinstance(outcome, Response):
            auditing.event(request, told, COMPLETE, outcome)
            return
        if _long(request):
            auditing.event(request, told, STARTED, outcome)
        self._follow(request, outcome, told)

    def _stranger(self, request: Request) -> _Told:
        """Who asks could not be found out."""
        auditing = self._auditing
        found = telling(auditing.policy, ANONYMOUS, events.verb_of(request), request.path, request.target)
        request.user = User("")
        return _Told(found, request.user, auditing.env.now())

    def _follow(self, request: Request, outcome: Stream | Upgrade, told: _Told) -> None:
        """Tell of the end when it has come."""
        auditing = self._auditing
        if isinstance(outcome, Stream):
            write = outcome.run

            async def writing(sink: Sink) -> None:
                try:
                    await write(sink)
                finally:
                    auditing.event(request, told, COMPLETE, outcome)

            outcome.run = writing
            return
        talk = outcome.run

        async def talking(connection: Connection) -> None:
            try:
                await talk(connection)
            finally:
                auditing.event(request, told, COMPLETE, outcome)

        outcome.run = talking


def _long(request: Request) -> bool:
    target = request.target
    return target is not None and (target.verb == "watch" or target.subresource in LONG)
