"""The subresources of this room, as the server dispatches them."""

from __future__ import annotations

from collections.abc import Mapping

from podling.apiserver.message import Endpoint
from podling.apiserver.streams.execution import attach, execute
from podling.apiserver.streams.log import log
from podling.apiserver.streams.portforward import portforward
from podling.apiserver.streams.proxy import proxy

STREAMS: Mapping[tuple[str, str], Endpoint] = {
    ("pods", "exec"): execute,
    ("pods", "attach"): attach,
    ("pods", "portforward"): portforward,
    ("pods", "log"): log,
    ("pods", "proxy"): proxy,
    ("services", "proxy"): proxy,
    ("nodes", "proxy"): proxy,
}
"""(plural, subresource) → endpoint; for `ApiServer(…, streams=STREAMS)`."""
