"""The subresources of this room, as the server dispatches them."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping

from podling.api.errors import MethodNotAllowed
from podling.apiserver.backend import Backend, Endpoint
from podling.apiserver.message import Outcome, Request
from podling.apiserver.streams.execution import attach, execute
from podling.apiserver.streams.log import log
from podling.apiserver.streams.portforward import portforward
from podling.apiserver.streams.proxy import proxy

_CONNECT = ("GET", "POST")


def _only(methods: Collection[str], endpoint: Endpoint) -> Endpoint:
    def guarded(backend: Backend, request: Request) -> Outcome | Awaitable[Outcome]:
        if request.method not in methods:
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        return endpoint(backend, request)

    return guarded


STREAMS: Mapping[tuple[str, str], Endpoint] = {
    ("pods", "exec"): _only(_CONNECT, execute),
    ("pods", "attach"): _only(_CONNECT, attach),
    ("pods", "portforward"): _only(_CONNECT, portforward),
    ("pods", "log"): _only(("GET",), log),
    ("pods", "proxy"): proxy,
    ("services", "proxy"): proxy,
    ("nodes", "proxy"): proxy,
}
"""(plural, subresource) → endpoint; for `ApiServer(…, streams=STREAMS)`."""
