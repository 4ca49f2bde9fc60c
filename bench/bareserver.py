"""The least an HTTPS server can do: one kilobyte for whatever arrives. Ends with its standard input."""

from __future__ import annotations

import asyncio
import ssl
import sys
import tempfile
import time

import uvloop

from podling.pki.ca import CertificateAuthority

BODY = b"x" * 1024
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Bare(asyncio.Protocol):
    """One connection; a request is taken to arrive in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(ANSWER)  # type: ignore[attr-defined]


def context() -> ssl.SSLContext:
    pair = CertificateAuthority.create("bare", time.time()).serving("bare", ["127.0.0.1"], time.time())
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(pair.certificate + b"\n" + pair.key)
        pem.flush()
        made.load_cert_chain(pem.name)
    return made


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Bare, "127.0.0.1", 0, ssl=context())
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(serve())
