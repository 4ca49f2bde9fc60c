"""A TCP relay that picks a target per connection and forgives a target that is going away.

Used wherever bytes cross from one place to another: published NodePorts (host → node), the API inside the node
(node → Unix socket), Services in userspace mode (VIP → Pod). Raw protocols instead of streams: half the cost per
byte. What a client said is held until the first byte of an answer; a target that refuses, or closes before it
answered, is replaced by another one and hears it again. What is not safe to say twice is not said twice: see
`_may_repeat`.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Collection
from typing import Protocol, cast

from podling.supervise import Supervisor
from podling.unixpath import short_path

Target = str | tuple[str, int]
"""Where a connection leads: the path of a Unix socket, or (address, port)."""

HELD = 64 * 1024
CONNECT_SECONDS = 2.0
_RESET = struct.pack("ii", 1, 0)
_REPEATABLE = (b"GET ", b"HEAD ", b"OPTIONS ", b"PUT ", b"DELETE ", b"TRACE ", b"\x16\x03")


class Balancer(Protocol):
    def pick(self, client: str, tried: Collection[Target]) -> Target | None:
        """A target for the client at this address, none of `tried`; None where there is no other."""


class Fixed:
    """A balancer with one target."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def pick(self, client: str, tried: Collection[Target]) -> Target | None:
        return None if self.target in tried else self.target


class TcpRelay:
    """Accepts on listeners it is given and relays each connection to the target that the balancer picks."""

    def __init__(self, balancer: Balancer, tasks: Supervisor) -> None:
        self.balancer = balancer
        self.tasks = tasks
        self.open: set[Front] = set()
        self._servers: list[asyncio.Server] = []

    async def serve(self, listener: socket.socket) -> None:
        """Accept on a bound (or listening) socket from now on; the relay owns it."""
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_server(lambda: Front(self), sock=listener, backlog=1024))

    def close(self) -> None:
        """Accept no more; open connections go on to their own end."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    def cut(self) -> None:
        """Accept no more and end what is open."""
        self.close()
        for front in list(self.open):
            front.give_up()


class Front(asyncio.Protocol):
    """The client's side of one connection."""

    def __init__(self, relay: TcpRelay) -> None:
        self._relay = relay
        self._client = ""
        self._tried: list[Target] = []
        self._held: bytearray | None = bytearray()
        self._back: _Back | None = None
        self._ended = False
        self._target_ended = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._client = peer[0] if isinstance(peer, tuple) else ""
        self._relay.open.add(self)
        self._relay.tasks.start("relay", self._connect(refused=True))

    async def _connect(self, *, refused: bool) -> None:
        """Find a target that takes the connection; if there is none, the client sees a reset (`refused`) or an end."""
        while self.transport is not None and self._back is None:
            target = self._relay.balancer.pick(self._client, self._tried)
            if target is None:
                self.give_up() if refused else self.transport.close()
                return
            self._tried.append(target)
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await _dial(target, _Back(self))
            except OSError:
                continue
            return

    def adopt(self, back: _Back) -> None:
        """A target took the connection: it hears first what the client said so far."""
        if self.transport is None:
            back.transport.abort()
            return
        self._back = back
        if self._held:
            back.transport.write(bytes(self._held))
            if len(self._held) > HELD:
                self._held = None
        if self._ended:
            back.transport.write_eof()
        _resume(self.transport)

    def data_received(self, data: bytes) -> None:
        if self._held is not None:
            self._held += data
            if len(self._held) > HELD:
                self._held_enough()
        if self._back is not None:
            self._back.transport.write(data)

    def _held_enough(self) -> None:
        if self._back is not None:
            self._held = None
        elif self.transport is not None:
            _pause(self.transport)

    def eof_received(self) -> bool:
        self._ended = True
        if self._back is not None and self._target_ended:
            self._back.transport.close()
            return False
        if self._back is not None and not self._back.transport.is_closing():
            self._back.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        if self._back is not None:
            _pause(self._back.transport)

    def resume_writing(self) -> None:
        if self._back is not None:
            _resume(self._back.transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._relay.open.discard(self)
        if self._back is not None:
            self._back.transport.abort() if error else self._back.transport.close()

    def answer(self, data: bytes) -> None:
        """The first byte of an answer settles which target it is."""
        self._held = None
        if self.transport is not None:
            self.transport.write(data)

    def target_ended(self) -> bool:
        """The target sends no more. True: keep its connection open for what the client still says."""
        if self.transport is None or self._ended or self._may_repeat() or self.transport.is_closing():
            return False
        self._held, self._target_ended = None, True
        self.transport.write_eof()
        return True

    def target_lost(self, error: Exception | None) -> None:
        self._back = None
        if self.transport is None:
            return
        if self._may_repeat():
            self._relay.tasks.start("relay again", self._connect(refused=error is not None))
        elif error is not None:
            self.give_up()
        else:
            self.transport.close()

    def _may_repeat(self) -> bool:
        """Whether another target may hear what was said so far: no answer yet, and repeating does no harm.

        Harmless is nothing at all, a TLS greeting, and an HTTP request with an idempotent method (RFC 9110 9.2.2);
        a POST that a dying Pod may have carried out is the client's to repeat.
        """
        if self._held:
            return self._held.startswith(_REPEATABLE)
        return self._held is not None and not self._ended

    def give_up(self) -> None:
        """End the client's connection as if the port had refused: by a reset."""
        transport, self.transport = self.transport, None
        self._relay.open.discard(self)
        if transport is not None:
            if (sock := transport.get_extra_info("socket")) is not None and sock.family == socket.AF_INET:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        if self._back is not None:
            self._back.transport.abort()


class _Back(asyncio.Protocol):
    """The target's side of one connection."""

    transport: asyncio.Transport

    def __init__(self, front: Front) -> None:
        self._front = front

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._front.adopt(self)

    def data_received(self, data: bytes) -> None:
        self._front.answer(data)

    def eof_received(self) -> bool:
        return self._front.target_ended()

    def pause_writing(self) -> None:
        if self._front.transport is not None:
            _pause(self._front.transport)

    def resume_writing(self) -> None:
        if self._front.transport is not None:
            _resume(self._front.transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._front.target_lost(error)


def _pause(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        transport.pause_reading()


def _resume(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        transport.resume_reading()


async def _dial(target: Target, protocol: asyncio.Protocol) -> None:
    loop = asyncio.get_running_loop()
    if isinstance(target, str):
        with short_path(target) as path:
            await loop.create_unix_connection(lambda: protocol, path)
    else:
        await loop.create_connection(lambda: protocol, *target)
