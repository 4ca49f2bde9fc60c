"""A UDP relay: one socket per client, so that answers find their way back.

UDP has no connections; what a client sends from one address and port is one conversation, with one target. A few
datagrams (a DNS query) are over after seconds of silence, a longer talk after a minute: every conversation holds a
descriptor, and a busy resolver would otherwise hold thousands. Sockets are read with `add_reader` and drained: an
asyncio datagram transport costs three times as much (DESIGN 18). A target that refuses (ICMP) before it ever answered
is replaced by another, which gets the last datagram again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

from podling.env import Env
from podling.network.relay import Balancer, Target

Peer = tuple[str, int]

QUERY_SECONDS, TALK_SECONDS = 2.0, 60.0
TALK = 6
"""So many datagrams of the client make it a talk."""
MOST = 512
"""Conversations per relay; the one whose client is silent for longest makes room."""
_SWEEP_SECONDS = 1.0
_DRAIN = 64
_SIZE = 65_535


class UdpRelay:
    """Relays the datagrams of one bound socket, which it owns. Use within a running loop; `close` ends all."""

    def __init__(self, balancer: Balancer, listener: socket.socket, env: Env) -> None:
        self.balancer = balancer
        self._listener = listener
        self._env = env
        self._conversations: dict[Peer, _Conversation] = {}
        self._loop = asyncio.get_running_loop()
        listener.setblocking(False)
        self._loop.add_reader(listener.fileno(), self._drain)
        self._sweep: asyncio.TimerHandle | None = None

    def forget(self, targets: frozenset[Target]) -> None:
        """These are gone: their clients start anew with another target."""
        for client, conversation in list(self._conversations.items()):
            if conversation.target in targets:
                self.end(client)

    def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        for client in list(self._conversations):
            self.end(client)
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()

    def end(self, client: Peer) -> None:
        if (conversation := self._conversations.pop(client, None)) is not None:
            conversation.close()

    def answer(self, data: bytes, client: Peer) -> None:
        with contextlib.suppress(OSError):  # a full buffer or a client that went: datagrams may be lost
            self._listener.sendto(data, client)

    def _drain(self) -> None:
        for _ in range(_DRAIN):
            try:
                data, client = self._listener.recvfrom(_SIZE)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error about an earlier answer
            conversation = self._conversations.pop(client, None) or self._new(client)
            self._conversations[client] = conversation  # last in the order of who spoke
            if not conversation.say(data):
                self.end(client)

    def _new(self, client: Peer) -> _Conversation:
        if len(self._conversations) >= MOST:
            self.end(next(iter(self._conversations)))
        if self._sweep is None:
            self._sweep = self._loop.call_later(_SWEEP_SECONDS, self._forget_silent)
        return _Conversation(self, client, self._env)

    def _forget_silent(self) -> None:
        now = self._env.monotonic()
        for client, conversation in list(self._conversations.items()):
            if conversation.ends_at < now:
                self.end(client)
        again = bool(self._conversations)
        self._sweep = self._loop.call_later(_SWEEP_SECONDS, self._forget_silent) if again else None


class _Conversation:
    def __init__(self, relay: UdpRelay, client: Peer, env: Env) -> None:
        self._relay, self._client, self._env = relay, client, env
        self._tried: list[Target] = []
        self._answered = False
        self._last: bytes | None = None
        self._socket: socket.socket | None = None
        self.target: Target | None = None
        self._said = 0
        self.ends_at = 0.0

    def say(self, data: bytes) -> bool:
        """Pass a datagram on; False where no target is left."""
        self._said += 1
        self._go_on()
        if not self._answered:
            self._last = data
        if self._socket is None and not self._connect():
            return False
        return self._send(data)

    def _go_on(self) -> None:
        self.ends_at = self._env.monotonic() + (TALK_SECONDS if self._said >= TALK else QUERY_SECONDS)

    def _connect(self) -> bool:
        target = self._relay.balancer.pick(self._client[0], self._tried)
        if target is None or isinstance(target, str):
            return False
        self.close()
        self._tried.append(target)
        self.target = target
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.connect(target)
        except OSError:
            return self._connect()
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._drain)
        return True

    def _send(self, data: bytes) -> bool:
        assert self._socket is not None
        try:
            self._socket.send(data)
        except BlockingIOError:
            return True
        except OSError:
            return self._last is not None and self._connect() and self._send(data)
        return True

    def _drain(self) -> None:
        for _ in range(_DRAIN):
            if self._socket is None:
                return
            try:
                data = self._socket.recv(_SIZE)
            except BlockingIOError:
                return
            except OSError:
                self._refused()
                return
            self._answered, self._last = True, None
            self._go_on()
            self._relay.answer(data, self._client)

    def _refused(self) -> None:
        again = self._last
        if again is None or not (self._connect() and self._send(again)):
            self._relay.end(self._client)

    def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
