"""`pods|services|nodes/proxy`: HTTP to something inside the cluster, through the API server.

Method, path, query, headers and body go on as they came, without what identifies the client to us; upgrades are
passed through. The connection is made on the node, so nothing here needs a route to Pods.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import unquote

from podling.api.errors import ApiError, ServiceUnavailable
from podling.apiserver.backend import Backend
from podling.apiserver.message import Outcome, Request, Response, Sink, Stream, Upgrade
from podling.apiserver.streams.destination import Destination, destination
from podling.apiserver.streams.exchange import BrokenAnswer, Exchange, request_bytes
from podling.apiserver.streams.passing import pass_through
from podling.apiserver.streams.pipe import Pipe
from podling.apiserver.streams.rewriting import html, through
from podling.apiserver.streams.target import target_of

WHOLE = 64 << 10
"""Answers up to this length are handed on with their length, longer ones in chunks."""
# Of one connection only (RFC 9110, 7.6.1), or the server's own matter.
_HOP = frozenset(("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")) | frozenset(
    ("proxy-authenticate", "proxy-authorization", "proxy-connection", "content-length", "content-type", "date")
)
# What a site says about other origins is not said for ours.
_CORS = frozenset(f"access-control-allow-{what}" for what in ("credentials", "headers", "methods", "origin"))
_OURS = frozenset(("authorization", "host", "expect", "content-length"))
_KNOWN = frozenset(code.value for code in HTTPStatus)


async def proxy(backend: Backend, request: Request) -> Outcome:
    """Raises what the destination's look-up raises, ServiceUnavailable where nobody answers there."""
    target = target_of(request)
    if target.plural == "nodes" and target.path == "stats/summary" and ":" not in target.name:
        return await _stats(backend, target.name)
    path, query = tail_of(request)
    upgrade = request.header("upgrade") if "upgrade" in request.header("connection").lower() else ""
    goal = destination(backend, target)
    if not path and not upgrade and request.method in ("GET", "HEAD"):
        return Response(301, headers=(("Location", f"{request.path}/{query}"),), content_type="")
    exchange = await _exchange(backend, request, goal, (path or "/") + query, upgrade)
    if exchange.status == 101:
        headers = [("Upgrade", exchange.header("upgrade") or upgrade), *_answer_headers(exchange)]
        return Upgrade(lambda connection: pass_through(connection, exchange), headers)
    return await _answered(request, exchange, goal, request.path.removesuffix(unquote(path)))


def tail_of(request: Request) -> tuple[str, str]:
    """What follows `/proxy` in the path, still encoded, and the query with its question mark."""
    path, mark, query = request.raw_target.partition("?")
    # /api/v1/nodes/NAME/proxy/… or /api/v1/namespaces/NAMESPACE/RESOURCE/NAME/proxy/…
    skipped = 8 if path.split("/", 4)[3] == "namespaces" else 6
    parts = path.split("/", skipped)
    return "/" + parts[skipped] if len(parts) > skipped else "", mark + query


async def _exchange(backend: Backend, request: Request, goal: Destination, path: str, upgrade: str) -> Exchange:
    try:
        sock = await backend.dialer.connect(goal.node, goal.address, goal.port)
        headers = _request_headers(request, goal, upgrade)
        sent = request_bytes(request.method, path, headers, request.body)
        exchange = await Exchange.open(sock, sent, tls=goal.scheme == "https", bodiless=request.method == "HEAD")
    except (ApiError, OSError) as error:
        raise ServiceUnavailable(f"error trying to reach service: {error}") from error
    try:
        await exchange.head()
    except BaseException as error:
        exchange.close()
        if isinstance(error, BrokenAnswer):
            raise ServiceUnavailable(f"error trying to reach service: {error}") from error
        raise
    return exchange


def _request_headers(request: Request, goal: Destination, upgrade: str) -> Sequence[tuple[str, str]]:
    dropped = _OURS | (_HOP - {"content-type", "te"})
    headers = [("Host", f"{goal.address}:{goal.port}")]
    headers += [(name, value) for name, value in request.headers.items() if name not in dropped]
    headers.append(("X-Forwarded-Uri", request.path))
    if request.peer:
        before = request.header("x-forwarded-for")
        headers = [pair for pair in headers if pair[0] != "x-forwarded-for"]
        headers.append(("X-Forwarded-For", f"{before}, {request.peer}" if before else request.peer))
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        headers.append(("Content-Length", str(len(request.body))))
    return (
        [*headers, ("Connection", "Upgrade"), ("Upgrade", upgrade)] if upgrade else [*headers, ("Connection", "close")]
    )


def _answer_headers(exchange: Exchange) -> Sequence[tuple[str, str]]:
    return [(name, value) for name, value in exchange.headers if name.lower() not in _HOP | _CORS]


async def _answered(request: Request, exchange: Exchange, goal: Destination, prefix: str) -> Outcome:
    status = exchange.status if exchange.status in _KNOWN else exchange.status // 100 * 100
    kind = exchange.header("content-type")
    hosts = (goal.address, f"{goal.address}:{goal.port}", request.header("host"))
    headers = [
        (name, through(value, prefix, hosts) if name.lower() == "location" else value)
        for name, value in _answer_headers(exchange)
    ]
    rewritten = kind.startswith("text/html") and not exchange.header("content-encoding")
    length = exchange.header("content-length")
    short = length.isdigit() and int(length) <= WHOLE
    if request.method == "HEAD" and short:
        exchange.close()
        # Never sent: the edge answers a HEAD with the length of the body alone.
        return Response(status, bytes(int(length)), kind, headers)
    if short or status in (204, 304):
        body = await _whole(exchange)
        return Response(status, html(body, prefix, hosts) if rewritten else body, kind, headers)

    async def run(sink: Sink) -> None:
        try:
            if rewritten:
                await sink.write(html(b"".join([piece async for piece in exchange.body()]), prefix, hosts))
                return
            async for piece in exchange.body():
                await sink.write(piece)
        finally:
            exchange.close()

    return Stream(run, kind, status, headers)


async def _whole(exchange: Exchange) -> bytes:
    try:
        return b"".join([piece async for piece in exchange.body()])
    except BrokenAnswer as error:
        raise ServiceUnavailable(f"error trying to reach service: {error}") from error
    finally:
        exchange.close()


async def _stats(backend: Backend, node: str) -> Response:
    """The kubelet's summary, which our node answers without a port of its own."""
    pipe = Pipe(await backend.dialer.stream(node, {"verb": "stats"}))
    try:
        body = b""
        while data := await pipe.read():
            body += data
    finally:
        pipe.close()
    return Response(body=body)
