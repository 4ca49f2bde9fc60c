"""The transport over TLS: TCP or a Unix socket, a client certificate or a bearer token.

For every component outside the server's process, and for tests of the real HTTP edge. Long lists are decoded in
slices so that the loop is never held (DESIGN 8); a watch has a connection of its own for as long as it lives.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from podling.api.errors import InternalError, Timeout, from_status
from podling.api.objects import Event, Object
from podling.client.http1 import Address, Connection, Pool, ResponseHead, request_bytes
from podling.client.received import Receiver, decode_list, received_event
from podling.client.transport import Answer, Listing, Resource, Verb, selectors

SLICE = 64
"""Objects decoded before the loop is given back."""


_encode = msgspec.json.Encoder().encode


def client_context(ca: bytes, certificate: bytes = b"", key: bytes = b"") -> ssl.SSLContext:
    """A TLS context that trusts `ca` (PEM) and shows `certificate` with `key` (PEM), never touching a disk."""
    context = ssl.create_default_context(cadata=ca.decode())
    if certificate:
        show_certificate(context, certificate, key)
    return context


def show_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Let the context show a certificate (PEM), never touching a disk."""
    # ssl reads certificates from files only; a memory file is one without leaving a trace.
    memory = os.memfd_create("client-certificate")
    try:
        os.write(memory, certificate.rstrip() + b"\n" + key)
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)


class HttpsTransport:
    """`Transport` to one API server. `token` is asked for on every request, so that it may be rotated."""

    def __init__(
        self,
        address: Address,
        tls: ssl.SSLContext,
        *,
        server_name: str = "podling",
        token: Callable[[], str] | None = None,
        user_agent: str = "podling",
        timeout: float = 60,
    ) -> None:
        self._pool = Pool(address, tls, server_name)
        self._token, self._timeout = token, timeout
        self._headers = (("Host", server_name), ("User-Agent", user_agent), ("Accept", "application/json"))
        self._receivers: dict[Resource, Receiver] = {}

    async def request(
        self,
        verb: Verb,
        path: str,
        *,
        body: Any = None,
        query: Sequence[tuple[str, str]] = (),
        content_type: str = "application/json",
    ) -> Answer:
        sent = b"" if body is None else _encode(body)
        head, received = await self._fetch(verb, path, query, sent, content_type)
        warnings = tuple(filter(None, head.headers.get("warning", "").split("\n")))
        return Answer(head.status, _json(received, head.status), warnings)

    async def list(
        self, resource: Resource, *, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        query = selectors(label_selector, field_selector)
        _, received = await self._fetch("GET", resource.path(namespace), query)
        listed = decode_list(received)
        kind, receiver = listed.item_kind, self._receiver(resource)
        items: list[Object] = []
        for index, raw in enumerate(listed.items or ()):
            items.append(receiver.object(raw, kind))
            if index % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        return Listing(items, listed.revision)

    @asynccontextmanager
    async def watch(
        self,
        resource: Resource,
        *,
        since: int,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[AsyncIterator[Sequence[Event]]]:
        query = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", str(since)),
            *selectors(label_selector, field_selector),
        ]
        connection, head = await self._pool.exchange(self._bytes("GET", resource.path(namespace), query))
        try:
            if head.status >= 400:
                async with aclosing(connection.body()) as pieces:
                    received = b"".join([piece async for piece in pieces])
                raise from_status(_json(received, head.status), head.status)
            async with aclosing(self._events(connection, resource)) as batches:
                yield batches
        finally:
            connection.close()

    def close(self) -> None:
        """Drop the idle connections; a watch ends with its own block."""
        self._pool.close()

    async def _events(self, connection: Connection, resource: Resource) -> AsyncGenerator[Sequence[Event], None]:
        rest = b""
        receiver = self._receiver(resource)
        async with aclosing(connection.body()) as pieces:
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                if batch := [received_event(line, receiver) for line in lines if line]:
                    yield batch

    async def _fetch(
        self,
        verb: str,
        path: str,
        query: Sequence[tuple[str, str]],
        body: bytes = b"",
        content_type: str = "application/json",
    ) -> tuple[ResponseHead, bytes]:
        request = self._bytes(verb, path, query, body, content_type)
        try:
            async with asyncio.timeout(self._timeout):
                head, received = await self._pool.fetch(request)
        except TimeoutError:
            raise Timeout(f"{verb} {path}: no answer in {self._timeout:g} s") from None
        if head.status >= 400:
            raise from_status(_json(received, head.status), head.status)
        return head, received

    def _bytes(
        self,
        verb: str,
        path: str,
        query: Sequence[tuple[str, str]],
        body: bytes = b"",
        content_type: str = "application/json",
    ) -> bytes:
        headers = list(self._headers)
        if self._token is not None:
            headers.append(("Authorization", f"Bearer {self._token()}"))
        if body:
            headers.append(("Content-Type", content_type))
        target = quote(path, safe="/:@!$&'()*+,;=~") + (f"?{urlencode(query)}" if query else "")
        return request_bytes(verb, target, headers, body)

    def _receiver(self, resource: Resource) -> Receiver:
        return self._receivers.setdefault(resource, Receiver(resource))


def _json(received: bytes, status: int) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(received)
    except msgspec.DecodeError:
        value = None
    if not isinstance(value, dict):
        said = received[:200].decode(errors="replace").strip()
        if status >= 400:
            return {"message": said or f"the server answered {status}", "code": status}
        raise InternalError(f"the server's answer is not a JSON object: {said!r}")
    return value


__all__ = ["Address", "HttpsTransport", "client_context"]
