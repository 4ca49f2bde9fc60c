"""The keeper's side of its protocol: connections, requests in any order, answers with descriptors, events.

Clients come and go; nothing a client does or stops doing ends anything but its own requests.
"""

from __future__ import annotations

import array
import os
import socket

from podling.keeper.node import Answer, Node
from podling.wire.keeper import VERSION, Decoder, ProtocolError, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CHUNK = 64 * 1024
MAX_UNREAD = 16 << 20
VERBS = tuple(name for name, verb in vars(Node).items() if "answer" in getattr(verb, "__annotations__", {}))


class Server:
    """Listens at `listener` (a bound Unix socket) for clients of `node`."""

    def __init__(self, node: Node, listener: socket.socket) -> None:
        self.node = node
        self.verbs: dict[str, Callable[[dict[str, Any], Answer], None]] = {verb: getattr(node, verb) for verb in VERBS}
        self._listener = listener
        self._connections: list[Connection] = []
        listener.setblocking(False)
        node.tell = self._tell
        node.loop.on_read(listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except BlockingIOError:
            return
        self._connections.append(Connection(self, client))

    def drop(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)

    def _tell(self, kind: str, name: str, sandbox: str) -> None:
        event = {"event": {"kind": kind, "id": name, "sandbox": sandbox}}
        for connection in [c for c in self._connections if c.subscribed]:
            connection.send(event)


class Connection:
    """One client."""

    def __init__(self, server: Server, client: socket.socket) -> None:
        self._server, self._socket, self._loop = server, client, server.node.loop
        self._decoder = Decoder()
        self._unsent: list[tuple[memoryview, list[int]]] = []
        self._size = 0
        self.subscribed = False
        client.setblocking(False)
        self._loop.on_read(client.fileno(), self._readable)
        self.send({"hello": "podling-keeper", "version": VERSION, "pid": server.node.pid, "group": server.node.group})

    def send(self, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
        """The descriptors are closed here, sent or not."""
        if self._socket.fileno() < 0 or self._size > MAX_UNREAD:
            for fd in fds:
                os.close(fd)
            self.close()
            return
        data = memoryview(encode({**message, "fds": len(fds)} if fds else message))
        self._unsent.append((data, list(fds)))
        self._size += len(data)
        self._writable()

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            for _, fds in self._unsent:
                for fd in fds:
                    os.close(fd)
            self._unsent.clear()
            self._server.drop(self)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        try:
            for request in self._decoder.feed(data):
                self._handle(request)
        except ProtocolError:
            self.close()

    def _handle(self, request: dict[str, Any]) -> None:
        number = request.get("id")

        def ok(value: object, *fds: int) -> None:
            self.send({"id": number, "ok": value}, fds)

        def error(text: str) -> None:
            self.send({"id": number, "error": text})

        if request.get("op") == "subscribe":
            self.subscribed = True
            ok({})
            return
        verb = self._server.verbs.get(str(request.get("op")))
        if verb is None:
            error(f"the keeper knows no {request.get('op')!r}")
            return
        try:
            verb(request.get("with", {}), Answer(ok, error))
        except OSError as failure:
            place = f" ({failure.filename})" if failure.filename else ""
            self.send({"id": number, "error": f"{failure.strerror}{place}", "errno": failure.errno})
        except (ValueError, KeyError) as failure:
            error(str(failure) if isinstance(failure, ValueError) else f"the request lacks {failure}")

    def _writable(self) -> None:
        try:
            while self._unsent:
                data, fds = self._unsent[0]
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
                sent = self._socket.sendmsg([data], rights)
                while fds:
                    os.close(fds.pop())
                self._size -= sent
                if sent == len(data):
                    self._unsent.pop(0)
                else:
                    self._unsent[0] = (data[sent:], [])
        except BlockingIOError:
            self._loop.on_write(self._socket.fileno(), self._writable)
            return
        except OSError:
            self.close()
            return
        self._loop.on_write(self._socket.fileno(), None)
