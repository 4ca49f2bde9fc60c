"""Exec and attach over SPDY: one stream each for stdin, stdout, stderr, error and resize."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from podling.apiserver.message import Connection
from podling.apiserver.streams.session import Session, Wanted, plain_text, until_either_ends
from podling.apiserver.streams.spdyconnection import SpdyConnection, SpdyStream
from podling.supervise import Supervisor
from podling.wire.session import STATUS, STDERR, STDOUT

EXEC_PROTOCOLS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
CREATION_SECONDS = 30.0
_OUTPUT = {STDOUT: "stdout", STDERR: "stderr"}


class SpdyChannels:
    """One client; `run` returns when the session is over or the client has left."""

    def __init__(self, connection: Connection, session: Session, protocol: str, wanted: Wanted) -> None:
        self._session, self._wanted = session, wanted
        self._status = protocol == "v4.channel.k8s.io"
        self._expected = {"error"}
        for name in ("stdin", "stdout", "stderr"):
            if getattr(wanted, name):
                self._expected.add(name)
        if wanted.tty and protocol in EXEC_PROTOCOLS[:2]:
            self._expected.add("resize")
        self._streams: dict[str, SpdyStream] = {}
        self._complete = asyncio.Event()
        self._connection = SpdyConnection(connection, self._opened)

    async def run(self) -> None:
        try:
            await until_either_ends(self._work(), self._connection.run())
        finally:
            self._session.close()

    def _opened(self, stream: SpdyStream) -> None:
        self._streams[stream.headers.get("streamtype", "")] = stream
        if self._expected <= self._streams.keys():
            self._complete.set()

    async def _work(self) -> None:
        try:
            async with asyncio.timeout(CREATION_SECONDS):
                await self._complete.wait()
        except TimeoutError:
            return
        async with Supervisor() as tasks:
            if (stdin := self._streams.get("stdin")) is not None:
                tasks.start("stdin", self._type(stdin))
            if (resize := self._streams.get("resize")) is not None:
                tasks.start("resize", self._resize(resize))
            await self._output(self._streams)

    async def _output(self, streams: Mapping[str, SpdyStream]) -> None:
        async for channel, payload in self._session.frames():
            if channel == STATUS:
                for name in ("stdout", "stderr"):
                    if name in streams:
                        await streams[name].end()
                await streams["error"].end(payload if self._status else plain_text(payload))
            elif (stream := streams.get(_OUTPUT.get(channel, ""))) is not None:
                await stream.write(payload)
        for stream in streams.values():
            await stream.end()

    async def _type(self, stdin: SpdyStream) -> None:
        try:
            while data := await stdin.read():
                await self._session.type(data)
            await self._session.end_input()
        except ConnectionError:
            return  # the session is over

    async def _resize(self, stream: SpdyStream) -> None:
        rest = b""
        try:
            while data := await stream.read():
                *sizes, rest = (rest + data).split(b"\n")
                for size in sizes:
                    await self._session.resize(size)
        except ConnectionError:
            return  # the session is over
