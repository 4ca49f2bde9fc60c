"""A command run inside a container beside its own process: for a user (a session) or for a probe (collected).

The runtime joins and leaves (`exec --detach`); the process stays as the keeper's orphan, so no runtime process waits
beside it and its exit code is the kernel's own. What it printed before it ended is read before the end is told;
children that it left running keep nobody waiting.
"""

from __future__ import annotations

import os
import signal
import socket

from podling.keeper import commands, sessions
from podling.keeper.processes import exit_of
from podling.keeper.sessions import Session
from podling.keeper.streams import Sink, Source
from podling.wire.session import STDERR, STDOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from podling.keeper.loop import Loop, Timer
    from podling.keeper.processes import Processes

STREAMS = {1: STDOUT, 2: STDERR}


class Launch:
    """One `exec` of the runtime up to the moment the process runs: its ends of the pipes, or its terminal."""

    def __init__(self, key: str, wanted: dict[str, Any]) -> None:
        self.tty = bool(wanted.get("tty"))
        self.scratch = commands.Scratch(key, self.tty)
        self.ours: dict[int, int] = {}
        self.theirs: dict[int, int] = {}
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            if self.tty or not wanted.get(name):
                self.theirs[number] = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
                continue
            read, write = os.pipe2(os.O_CLOEXEC)
            self.ours[number], self.theirs[number] = (write, read) if number == 0 else (read, write)

    def close_theirs(self) -> None:
        while self.theirs:
            os.close(self.theirs.popitem()[1])

    def abandon(self) -> None:
        self.close_theirs()
        while self.ours:
            os.close(self.ours.popitem()[1])
        self.scratch.close()


class Exec:
    """`output(channel, data)` gets what it prints, `ended(code)` comes once, after the last output."""

    def __init__(self, loop: Loop, output: Callable[[int, bytes], None], ended: Callable[[int], None]) -> None:
        self._loop, self._output, self._ended = loop, output, ended
        self.pid = 0
        self.sources: list[Source] = []
        self.stdin: Sink | None = None
        self.terminal = -1

    def running(self, launch: Launch, pid: int) -> None:
        """Take over the ends of the pipes. The process may have ended already; that is told afterwards."""
        self.pid = pid
        if launch.tty:
            self.terminal = launch.scratch.terminal()
            self.stdin = Sink(self._loop, os.dup(self.terminal), lambda: None)
            self._read(self.terminal, STDOUT)
            return
        for number, fd in launch.ours.items():
            if number == 0:
                self.stdin = Sink(self._loop, fd, lambda: None)
            else:
                self._read(fd, STREAMS[number])
        launch.ours.clear()

    def exited(self, status: int) -> None:
        self.pid = 0
        for source in self.sources:
            source.drain()
        if self.stdin is not None:
            self.stdin.close()
        self.terminal = -1
        self._ended(exit_of(status)[0])

    def resume(self) -> None:
        for source in self.sources:
            source.resume()

    def kill(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    def hang_up(self) -> None:
        """Its user has left: a terminal hangs up, a pipe breaks."""
        for source in self.sources:
            source.close()
        if self.stdin is not None:
            self.stdin.close()
        self.terminal = -1

    def _read(self, fd: int, channel: int) -> None:
        self.sources.append(Source(self._loop, fd, lambda data: self._output(channel, data), lambda: None))


class Execs:
    """Starts commands in containers. `reply` gets the answer, `fail` a text when the command never ran."""

    def __init__(self, loop: Loop, processes: Processes) -> None:
        self._loop, self._processes = loop, processes
        self._count = 0

    def session(
        self,
        record: dict[str, Any],
        wanted: dict[str, Any],
        reply: Callable[[socket.socket], None],
        fail: Callable[[str], None],
    ) -> None:
        ours, theirs = socket.socketpair()
        command = Exec(self._loop, lambda c, d: send(c, d), lambda code: session.end(sessions.ended(code)))
        session = Session(self._loop, ours, command.hang_up)

        def send(channel: int, data: bytes) -> None:
            session.send(channel, data)
            if session.full:
                for source in command.sources:
                    source.pause()

        def started() -> None:
            session.feed(command.stdin)
            session.terminal = command.terminal
            if command.stdin is not None and command.terminal < 0:
                session.on_stdin_closed = command.stdin.finish
            session.on_room(command.resume)
            if session.over:
                command.hang_up()
            reply(theirs)

        def failed(message: str) -> None:
            session.discard()
            theirs.close()
            fail(message)

        self._start(record, wanted, command, started, failed)

    def collect(
        self,
        record: dict[str, Any],
        wanted: dict[str, Any],
        reply: Callable[[int, bytes, bool], None],
        fail: Callable[[str], None],
    ) -> None:
        """Run to the end: exit code, output cut at `limit` bytes, and whether `timeout` seconds were too few."""
        output = bytearray()
        limit = int(wanted.get("limit", 16384))
        timers: list[Timer] = []

        def print_(channel: int, data: bytes) -> None:
            output.extend(data[: max(0, limit - len(output))])

        def ended(code: int) -> None:
            late = bool(timers) and timers[0].call is None
            for timer in timers:
                timer.cancel()
            reply(code, bytes(output), late)

        def expire() -> None:
            timers[0].cancel()
            command.kill()

        def started() -> None:
            timers.append(self._loop.later(float(wanted["timeout"]), expire))

        command = Exec(self._loop, print_, ended)
        both = {**wanted, "stdout": True, "stderr": True, "stdin": False, "tty": False}
        self._start(record, both, command, started, fail)

    def _start(
        self,
        record: dict[str, Any],
        wanted: dict[str, Any],
        command: Exec,
        started: Callable[[], None],
        fail: Callable[[str], None],
    ) -> None:
        self._count += 1
        launch = Launch(f"exec-{self._count}", wanted)
        launch.scratch.put_process(wanted["process"])

        def done(status: int) -> None:
            try:
                if status != 0:
                    fail(launch.scratch.complaint() or f"the runtime ended with {exit_of(status)[0]}")
                    return
                pid = launch.scratch.pid()
                command.running(launch, pid)
                started()
                self._processes.adopt(pid, command.exited)
            finally:
                launch.abandon()

        argv = commands.execute(record["runtime"], record["id"], launch.scratch.key, launch.tty)
        try:
            self._processes.spawn(argv, launch.theirs, done)
        except OSError as error:
            launch.abandon()
            fail(f"{argv[0]}: {error.strerror}")
        else:
            launch.close_theirs()
