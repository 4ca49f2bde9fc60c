"""A request to an aggregated group version: passed on with the user's name, its answer passed back as it comes."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import quote, urlencode

from podling.apiserver.aggregation.calling import Caller, identity
from podling.apiserver.aggregation.services import Remote
from podling.apiserver.message import Outcome, Request, Response, Sink, Stream, Upgrade
from podling.apiserver.streams.exchange import BrokenAnswer, Exchange
from podling.apiserver.streams.passing import pass_through
from podling.apiserver.webhooks.reach import Unreachable

WHOLE = 64 << 10
"""Answers up to this length are handed on with their length, longer ones as they come."""
_HOP = frozenset(("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")) | frozenset(
    ("proxy-authenticate", "proxy-authorization", "proxy-connection", "content-length", "content-type", "date")
)
_DROPPED = frozenset(("authorization", "host", "expect", "content-length")) | (_HOP - {"content-type", "te"})
_KNOWN = frozenset(code.value for code in HTTPStatus)


async def proxied(caller: Caller, remote: Remote, request: Request) -> Outcome:
    """Never raises for what the other server does: 503 in plain text, as upstream's proxy."""
    upgrade = request.header("upgrade") if "upgrade" in request.header("connection").lower() else ""
    try:
        exchange = await caller.open(remote, request.method, _target(request), _headers(request, upgrade), request.body)
    except Unreachable as error:
        return unavailable(f"error trying to reach service: {error}")
    try:
        await exchange.head()
    except BrokenAnswer as error:
        exchange.close()
        return unavailable(f"error trying to reach service: {error}")
    except BaseException:
        exchange.close()
        raise
    if exchange.status == 101:
        headers = [("Upgrade", exchange.header("upgrade") or upgrade), *_passed(exchange)]
        return Upgrade(lambda connection: pass_through(connection, exchange), headers)
    return await _answered(request, exchange)


def _target(request: Request) -> str:
    """As it came; a component in this process gives path and query apart."""
    if not request.in_process:
        return request.raw_target
    path = quote(request.path, safe="/:@!$&'()*+,;=~")
    return f"{path}?{urlencode(request.query)}" if request.query else path


def unavailable(why: str) -> Response:
    return Response(503, f"{why}\n".encode(), "text/plain; charset=utf-8")


def _headers(request: Request, upgrade: str) -> Sequence[tuple[str, str]]:
    kept = [
        (name, value)
        for name, value in request.headers.items()
        if name not in _DROPPED and not name.startswith(("x-remote-", "impersonate-")) and name != "x-forwarded-for"
    ]
    headers = [*kept, *identity(request.user)]
    if request.peer:
        before = request.header("x-forwarded-for")
        headers.append(("X-Forwarded-For", f"{before}, {request.peer}" if before else request.peer))
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        headers.append(("Content-Length", str(len(request.body))))
    return (
        [*headers, ("Connection", "Upgrade"), ("Upgrade", upgrade)] if upgrade else [*headers, ("Connection", "close")]
    )


def _passed(exchange: Exchange) -> Sequence[tuple[str, str]]:
    return [(name, value) for name, value in exchange.headers if name.lower() not in _HOP]


async def _answered(request: Request, exchange: Exchange) -> Outcome:
    status = exchange.status if exchange.status in _KNOWN else exchange.status // 100 * 100
    kind, headers, length = exchange.header("content-type"), _passed(exchange), exchange.header("content-length")
    if request.method == "HEAD" or status in (204, 304) or (length.isdigit() and int(length) <= WHOLE):
        try:
            body = b"".join([piece async for piece in exchange.body()])
        except BrokenAnswer as error:
            return unavailable(f"error trying to reach service: {error}")
        finally:
            exchange.close()
        return Response(status, body, kind, headers)

    async def run(sink: Sink) -> None:
        try:
            async for piece in exchange.body():
                await sink.write(piece)
        finally:
            exchange.close()

    return Stream(run, kind, status, headers)
