"""One exchange with an aggregated server, as the front proxy, for a user or for ourselves."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

from podling.apiserver.aggregation.frontproxy import FrontProxy
from podling.apiserver.aggregation.services import Remote
from podling.apiserver.message import User
from podling.apiserver.streams.exchange import Exchange, request_bytes
from podling.apiserver.webhooks.client import context_of, distrust
from podling.apiserver.webhooks.reach import Reach, Unreachable, reason
from podling.client.https import show_certificate

Headers = Sequence[tuple[str, str]]
MOST_CONTEXTS = 64


class Caller:
    def __init__(self, reach: Reach, proxy: FrontProxy) -> None:
        self._reach, self._proxy = reach, proxy
        self._contexts: dict[tuple[str, bool], ssl.SSLContext] = {}

    async def open(self, remote: Remote, method: str, path: str, headers: Headers, body: bytes = b"") -> Exchange:
        """Sent; the head has not come yet. Raises Unreachable."""
        context = self._context(remote)
        sock = await self._reach.service(remote.namespace, remote.service, remote.port)
        try:
            reader, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname=remote.host)
        except BaseException as error:
            sock.close()
            if isinstance(error, ssl.SSLCertVerificationError):
                raise Unreachable(distrust(error, remote.host)) from error
            if isinstance(error, OSError):
                raise Unreachable("EOF" if isinstance(error, ConnectionError) else reason(error)) from error
            raise
        exchange = Exchange(reader, writer, bodiless=method == "HEAD")
        writer.write(request_bytes(method, path, [("Host", remote.host), *headers], body))
        return exchange

    async def get(self, remote: Remote, path: str, user: User, accept: str, seconds: float) -> tuple[int, str, bytes]:
        """Status, content type and body. Raises Unreachable, BrokenAnswer, TimeoutError."""
        async with asyncio.timeout(seconds):
            headers = [("Accept", accept), ("Connection", "close"), *identity(user)]
            exchange = await self.open(remote, "GET", path, headers)
            try:
                await exchange.head()
                body = b"".join([piece async for piece in exchange.body()])
                return exchange.status, exchange.header("content-type"), body
            finally:
                exchange.close()

    def _context(self, remote: Remote) -> ssl.SSLContext:
        way = (remote.authority, remote.unverified)
        context = self._contexts.get(way)
        if context is None:
            context = context_of(remote.authority)
            if remote.unverified:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            show_certificate(context, self._proxy.client.certificate, self._proxy.client.key)
            if len(self._contexts) >= MOST_CONTEXTS:
                self._contexts.clear()
            self._contexts[way] = context
        return context


def identity(user: User) -> list[tuple[str, str]]:
    """The user in request headers."""
    out = [("X-Remote-User", user.name)]
    if user.uid:
        out.append(("X-Remote-Uid", user.uid))
    out += [("X-Remote-Group", group) for group in user.groups]
    out += [(f"X-Remote-Extra-{_escaped(key)}", value) for key, values in user.extra.items() for value in values]
    return out


def _escaped(key: str) -> str:
    """Extra keys hold what header names cannot: percent-encoded, as upstream's `headerKeyEscape`."""
    return "".join(char if char.isalnum() or char in "!#$&'*+-.^_`|~" else f"%{ord(char):02X}" for char in key)
