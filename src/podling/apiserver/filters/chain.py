"""The filters in the order a request meets them; answers pass them in reverse.

A filter has `enter(request)`, which may refuse by raising an `ApiError`, or `leave(request, outcome)`, or both. They
are plain functions: what is answered from memory never becomes a task. Whatever is raised behind this point turns
into a `Status` here and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from podling.api.errors import ApiError, InternalError
from podling.apiserver.audit.filter import Auditing
from podling.apiserver.authorization.question import Authorizer
from podling.apiserver.config import Config
from podling.apiserver.filters.authentication import Authentication
from podling.apiserver.filters.authorization import Authorization
from podling.apiserver.filters.impersonation import Impersonation
from podling.apiserver.filters.inflight import InFlight
from podling.apiserver.filters.measure import Measure
from podling.apiserver.filters.requestheader import FrontProxies
from podling.apiserver.filters.requestid import RequestId
from podling.apiserver.filters.warnings import Warnings
from podling.apiserver.flowcontrol.classifying import FlowControl
from podling.apiserver.message import PRIVATE, Outcome, Request, Response, Stream, Upgrade
from podling.apiserver.metrics import Metrics
from podling.apiserver.registry.bearertokens import BearerTokens
from podling.apiserver.routing import target_of
from podling.env import Env
from podling.storage.interface import StorageError

LONG_URL = 512

log = logging.getLogger(__name__)


class Route:
    """What the path addresses."""

    def enter(self, request: Request) -> None:
        # Long URLs are not remembered: the memory would be the clients' to fill.
        find = target_of if len(request.raw_target) < LONG_URL else target_of.__wrapped__
        request.target = find(request.method, request.path, request.query)


def filters(
    config: Config,
    env: Env,
    metrics: Metrics,
    tokens: BearerTokens,
    authorizer: Authorizer,
    proxies: Callable[[], FrontProxies],
    auditing: Auditing | None = None,
    flow: FlowControl | None = None,
) -> list[Any]:
    """The list; with an audit log there are two more."""
    return [
        Warnings(),
        RequestId(env),
        Route(),
        Measure(env, metrics),
        *([auditing.end] if auditing is not None else ()),
        Authentication(tokens, proxies),
        *([auditing.begin] if auditing is not None else ()),
        Impersonation(authorizer),
        *([flow] if flow is not None else ()),
        Authorization(authorizer),
        InFlight(config.mutating_in_flight, metrics),
    ]


Leave = Callable[[Request, Outcome], None]
_OUTCOMES = (Response, Stream, Upgrade)


class Chain:
    """Filters around one endpoint function."""

    def __init__(self, filters: Sequence[Any], endpoint: Callable[[Request], Outcome | Awaitable[Outcome]]) -> None:
        self._enter: list[Callable[[Request], None]] = [each.enter for each in filters if hasattr(each, "enter")]
        # For each number of filters that let a request in: those that see its answer, the innermost first.
        self._leave: list[list[Leave]] = []
        for count in range(len(self._enter) + 1):
            entered = self._enter[:count]
            passed = [each for each in filters if not hasattr(each, "enter") or each.enter in entered]
            self._leave.append([each.leave for each in reversed(passed) if hasattr(each, "leave")])
        self._endpoint = endpoint

    def begin(self, request: Request) -> Outcome | Awaitable[Outcome]:
        """Answer at once, or give the awaitable that will; never raises."""
        entered = 0
        try:
            for enter in self._enter:
                enter(request)
                entered += 1
            outcome = self._endpoint(request)
        except ApiError as error:
            outcome = refused(error)
        except StorageError as error:
            outcome = refused(InternalError(str(error)))
        except Exception as error:  # noqa: BLE001  one broken request must not take others along
            outcome = self._broken(request, error)
        if not isinstance(outcome, _OUTCOMES):
            return self._later(request, outcome, self._leave[entered])
        for leave in self._leave[entered]:
            leave(request, outcome)
        return outcome

    async def handle(self, request: Request) -> Outcome:
        """`begin`, awaited."""
        outcome = self.begin(request)
        return outcome if isinstance(outcome, _OUTCOMES) else await outcome

    async def _later(self, request: Request, work: Awaitable[Outcome], leaving: list[Leave]) -> Outcome:
        outcome: Outcome = Response(500)
        try:
            outcome = await work
        except ApiError as error:
            outcome = refused(error)
        except StorageError as error:
            outcome = refused(InternalError(str(error)))
        except Exception as error:  # noqa: BLE001  as above
            outcome = self._broken(request, error)
        finally:
            # Also when the client went away and the work was cancelled: what was counted must be given back.
            for leave in leaving:
                leave(request, outcome)
        return outcome

    @staticmethod
    def _broken(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.path, exc_info=error)
        return refused(InternalError(f"Internal error occurred: {error or type(error).__name__}"))


def refused(error: ApiError) -> Response:
    """The answer that says an error."""
    body = msgspec.json.encode(error.status())
    if error.retry_after:
        return Response(error.code, body, headers=[*PRIVATE, ("Retry-After", str(error.retry_after))])
    return Response(error.code, body)
