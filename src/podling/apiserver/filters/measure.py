"""Counts and times requests for /metrics."""

from __future__ import annotations

from podling.apiserver.message import Outcome, Request, Upgrade
from podling.apiserver.metrics import Metrics
from podling.env import Env


class Measure:
    def __init__(self, env: Env, metrics: Metrics) -> None:
        self._env, self._metrics = env, metrics

    def enter(self, request: Request) -> None:
        request.started = self._env.monotonic()

    def leave(self, request: Request, outcome: Outcome) -> None:
        target = request.target
        code = 101 if isinstance(outcome, Upgrade) else outcome.status
        verb = target.verb if target is not None else request.method
        resource = target.plural if target is not None else ""
        self._metrics.requested(verb, resource, code, self._env.monotonic() - request.started)
