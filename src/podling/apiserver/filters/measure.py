"""Counts and times requests for /metrics."""

from __future__ import annotations

from podling.apiserver.message import Outcome, Request, Upgrade
from podling.apiserver.metrics import Metrics
from podling.env import Env


class Measure:
    def __init__(self, env: Env, metrics: Metrics) -> None:
        self._now, self._metrics = env.monotonic, metrics

    def enter(self, request: Request) -> None:
        request.started = self._now()

    def leave(self, request: Request, outcome: Outcome) -> None:
        target = request.target
        code = 101 if outcome.__class__ is Upgrade else outcome.status  # type: ignore[union-attr]
        labels = (request.method, "", code) if target is None else (target.verb, target.plural, code)
        self._metrics.requested(labels, self._now() - request.started)
