"""A webhook: a real HTTPS server on 127.0.0.1 that answers JSON with JSON, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from podling.env import SystemEnv
from podling.pki.ca import CertificateAuthority

Json = dict[str, Any]
Answer = Json | bytes | tuple[int, bytes]
Handler = Callable[[Json], Answer | Awaitable[Answer]]


class Webhook:
    """`handler` may be exchanged while it runs; `asked` are the bodies, `paths` the targets in order."""

    def __init__(self, handler: Handler, authority: CertificateAuthority) -> None:
        self.handler, self.authority = handler, authority
        self.asked: list[Json] = []
        self.paths: list[str] = []
        self.connections = 0
        self.bare = False
        """Whether it answers as HTTP/1.0 did: no length, the end of the connection is the end."""
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def bundle(self) -> str:
        return base64.b64encode(self.authority.pair.certificate).decode()

    def config(self, path: str = "/") -> Json:
        return {"url": f"https://127.0.0.1:{self.port}{path}", "caBundle": self.bundle}

    def hang_up(self) -> None:
        """Close all connections, as a server that restarts does."""
        while self._writers:
            self._writers.pop().close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        self.asked.append(body)
        self.paths.append(first.split(" ")[1])
        found = self.handler(body)
        answer = found if isinstance(found, dict | bytes | tuple) else await found
        status, data = answer if isinstance(answer, tuple) else (200, answer)
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        if self.bare:
            writer.write(f"HTTP/1.0 {status} X\r\nServer: old\r\n\r\n".encode() + data)
            await writer.drain()
            return False
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        await writer.drain()
        return True


@asynccontextmanager
async def webhook(handler: Handler, *names: str) -> AsyncIterator[Webhook]:
    """Running, with a certificate for 127.0.0.1 and `names`."""
    now = SystemEnv().now()
    authority = CertificateAuthority.create("hooks", now)
    pair = authority.serving("webhook", ["127.0.0.1", *names], now)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(file.name)
    hook = Webhook(handler, authority)
    server = await asyncio.start_server(hook.serve, "127.0.0.1", 0, ssl=context)
    hook.port = server.sockets[0].getsockname()[1]
    try:
        yield hook
    finally:
        server.close()
        hook.hang_up()


def allow(review: Json, **more: Any) -> Json:
    """The answer that lets pass, in the version of the question."""
    return {
        "apiVersion": review["apiVersion"],
        "kind": "AdmissionReview",
        "response": {"uid": review["request"]["uid"], "allowed": True, **more},
    }


def deny(review: Json, **status: Any) -> Json:
    answer = allow(review)
    answer["response"] |= {"allowed": False, "status": status} if status else {"allowed": False}
    return answer


def patched(review: Json, *operations: Json, **more: Any) -> Json:
    """Let pass, with a JSON Patch."""
    patch = base64.b64encode(json.dumps(operations).encode()).decode()
    return allow(review, patchType="JSONPatch", patch=patch, **more)
