"""What a client offers to speak after the upgrade, and what the answer's headers agree to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from podling.api.errors import BadRequest, Forbidden
from podling.apiserver.message import Request
from podling.wire.websocket import accept_key, chosen_protocol


class Agreed(NamedTuple):
    """`way` is websocket or spdy; `protocol` one of those supported, "" for a WebSocket without any."""

    way: str
    protocol: str
    headers: Sequence[tuple[str, str]]


def agree(request: Request, websocket: Sequence[str], spdy: Sequence[str]) -> Agreed:
    """Raises BadRequest where the request is no upgrade, Forbidden where nothing offered is supported."""
    upgrade = request.header("upgrade").lower()
    if upgrade == "websocket":
        return _websocket(request, websocket)
    if upgrade == "spdy/3.1":
        offered = request.header("x-stream-protocol-version")
        protocol = chosen_protocol(offered, spdy)
        if protocol is None:
            listed = [name.strip() for name in offered.split(",") if name.strip()]
            raise Forbidden(
                f"unable to upgrade: unable to negotiate protocol: client supports {_go_list(listed)}, "
                f"server accepts {_go_list(spdy)}"
            )
        return Agreed("spdy", protocol, (("Upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", protocol)))
    raise BadRequest("Upgrade request required")


def _websocket(request: Request, supported: Sequence[str]) -> Agreed:
    key = request.header("sec-websocket-key")
    if not key or request.header("sec-websocket-version") != "13":
        raise BadRequest("a WebSocket handshake of version 13 needs a key")
    offered = request.header("sec-websocket-protocol")
    protocol = chosen_protocol(offered, supported)
    if protocol is None and offered:
        raise BadRequest(
            f"unable to negotiate protocol: client supports [{offered}], server accepts {_go_list(supported)}"
        )
    headers = [("Upgrade", "websocket"), ("Sec-WebSocket-Accept", accept_key(key))]
    if protocol:
        headers.append(("Sec-WebSocket-Protocol", protocol))
    return Agreed("websocket", protocol or "", headers)


def _go_list(names: Sequence[str]) -> str:
    return f"[{' '.join(names)}]"
