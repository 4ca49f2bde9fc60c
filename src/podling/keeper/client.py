"""The asyncio client of a keeper.

One connection, requests in any order, descriptors matched to answers by their order in the stream. When the
connection is lost the waiting requests fail and the next one connects anew: a keeper that was replaced is found by
its path.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from podling.wire.keeper import VERSION, Decoder, ProtocolError, encode

CHUNK = 256 * 1024


class KeeperGone(ConnectionError):
    """No keeper listens there, or the connection to it was lost."""


class KeeperRefused(Exception):
    """The keeper could not do it; `errno` where the kernel said so, else 0."""

    def __init__(self, message: str, errno: int = 0) -> None:
        super().__init__(message)
        self.message, self.errno = message, errno


class KeeperClient:
    """`call(op, **arguments)` returns the answer's value, `call_fds` also its descriptors (the caller closes them)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._decoder = Decoder()
        self._hello: asyncio.Future[dict[str, Any]] | None = None
        self._waiting: dict[int, asyncio.Future[tuple[Any, tuple[int, ...]]]] = {}
        self._descriptors: deque[int] = deque()
        self._subscribers: list[asyncio.Queue[dict[str, Any] | None]] = []
        self._count = 0
        self._connecting = asyncio.Lock()
        self._writing = asyncio.Lock()

    async def call(self, op: str, **arguments: Any) -> Any:
        """Raises KeeperGone or KeeperRefused."""
        value, fds = await self.call_fds(op, **arguments)
        for fd in fds:
            os.close(fd)
        return value

    async def call_fds(self, op: str, **arguments: Any) -> tuple[Any, tuple[int, ...]]:
        connection = await self._connected()
        self._count += 1
        number = self._count
        answer: asyncio.Future[tuple[Any, tuple[int, ...]]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            await self._send(connection, {"id": number, "op": op, "with": arguments})
            return await answer
        finally:
            self._waiting.pop(number, None)

    async def hello(self) -> Mapping[str, Any]:
        """What the keeper says of itself: `version`, `pid` (as the host counts), `group` (the node's cgroup path)."""
        await self._connected()
        assert self._hello is not None
        return await self._hello

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Events from entering the block on: `{kind, id, sandbox}`. Raises KeeperGone when the keeper ends."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        await self._connected()
        self._subscribers.append(queue)
        try:
            await self.call("subscribe")
            yield _drain(queue)
        finally:
            self._subscribers.remove(queue)

    def close(self) -> None:
        self._lost(KeeperGone("the client was closed"))

    async def _send(self, connection: socket.socket, message: dict[str, Any]) -> None:
        data = encode(message)
        async with self._writing:
            try:
                await asyncio.get_running_loop().sock_sendall(connection, data)
            except OSError as error:
                self._lost(KeeperGone(f"the keeper at {self._path} is gone: {error.strerror}"))
                raise KeeperGone(f"the keeper at {self._path} is gone") from error

    async def _connected(self) -> socket.socket:
        async with self._connecting:
            if self._socket is None:
                self._socket = _connect(self._path)
                loop = asyncio.get_running_loop()
                self._hello = loop.create_future()
                self._decoder = Decoder()
                # A copy of the descriptor, because a loop may refuse to watch one it also writes to.
                self._reader = socket.socket(fileno=os.dup(self._socket.fileno()))
                self._reader.setblocking(False)
                loop.add_reader(self._reader.fileno(), self._readable)
                try:
                    hello = await self._hello
                except KeeperGone:
                    self._lost(KeeperGone(f"the keeper at {self._path} is gone"))
                    raise
                if hello.get("version") != VERSION:
                    self._lost(KeeperGone("another version"))
                    raise KeeperGone(f"the keeper speaks version {hello.get('version')}, this is {VERSION}")
            return self._socket

    def _readable(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._reader, CHUNK, 64, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        self._descriptors.extend(fds)
        if not data:
            self._lost(KeeperGone(f"the keeper at {self._path} is gone"))
            return
        try:
            for message in self._decoder.feed(data):
                self._handle(message)
        except ProtocolError as error:
            self._lost(KeeperGone(str(error)))

    def _handle(self, message: dict[str, Any]) -> None:
        fds = tuple(self._descriptors.popleft() for _ in range(message.get("fds", 0)))
        if "event" in message:
            for queue in self._subscribers:
                queue.put_nowait(message["event"])
        elif "hello" in message:
            if self._hello is not None and not self._hello.done():
                self._hello.set_result(message)
        else:
            answer = self._waiting.get(message["id"])
            if answer is None or answer.done():
                for fd in fds:
                    os.close(fd)
            elif "error" in message:
                answer.set_exception(KeeperRefused(message["error"], message.get("errno", 0)))
            else:
                answer.set_result((message["ok"], fds))

    def _lost(self, error: KeeperGone) -> None:
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._reader.fileno())
        self._reader.close()
        self._socket.close()
        self._socket = None
        while self._descriptors:
            os.close(self._descriptors.popleft())
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(error)
        if self._hello is not None and not self._hello.done():
            self._hello.set_exception(error)
        for queue in self._subscribers:
            queue.put_nowait(None)


async def _drain(queue: asyncio.Queue[dict[str, Any] | None]) -> AsyncIterator[dict[str, Any]]:
    while (event := await queue.get()) is not None:
        yield event
    raise KeeperGone("the keeper is gone")


def _connect(path: Path) -> socket.socket:
    """Through the folder's descriptor: the path may be longer than a socket's address."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            client.connect(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
        client.setblocking(False)
    except OSError as error:
        client.close()
        raise KeeperGone(f"no keeper at {path}: {error.strerror}") from error
    return client
