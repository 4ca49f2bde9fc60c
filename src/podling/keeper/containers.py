"""A container's life: mounted, started by the runtime, watched, logged, reaped, removed.

The runtime (`crun`, `runc`) makes the container and leaves; its first process becomes the keeper's own child, so the
exit code comes from the kernel and no process waits beside the container. Its output goes to the log, and from there
to whoever is attached.
"""

from __future__ import annotations

import os
import signal
import socket

from podling.keeper import cgroups, commands, sessions
from podling.keeper.clock import now, stamp
from podling.keeper.processes import exit_of
from podling.keeper.rootfs import mount_all, unmount_all
from podling.keeper.sessions import Session
from podling.keeper.streams import Sink, Source
from podling.wire.cri_log import LineSplitter
from podling.wire.session import STDERR, STDOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from podling.keeper.node import Node

NAMES = {1: ("stdout", STDOUT), 2: ("stderr", STDERR)}
START_FAILED = 128


class Log:
    """The file of a container's output. A full disk loses lines, never the container."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1

    def write(self, data: bytes) -> None:
        if not self._path or not data:
            return
        try:
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            os.write(self._fd, data)
        except OSError:
            return

    def reopen(self) -> None:
        """The file was renamed: the next line makes a new one."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Container:
    """`record` is what is on disk; everything else lives only while the container does."""

    def __init__(self, node: Node, record: dict[str, Any]) -> None:
        self._node, self.record = node, record
        self._log = Log(record["log_path"])
        self._sources: list[Source] = []
        self._splitters: list[LineSplitter] = []
        self._attached: list[tuple[Session, frozenset[int]]] = []
        self._stdin: Sink | None = None
        self._terminal = -1
        self._busy = False
        self._when_gone: list[Callable[[], None]] = []
        self._when_ended: list[Callable[[], None]] = []

    # -- made and started ---------------------------------------------------------------------------------------

    def create(self) -> None:
        """Mount its root file system. Raises OSError; nothing stays mounted then."""
        mount_all(self.record["mounts"])
        try:
            self._node.records.add_container(self.record)
        except OSError:
            unmount_all(self.record["mounts"])
            raise

    def start(self, reply: Callable[[], None], fail: Callable[[str], None]) -> None:
        name, tty = self.record["id"], self.record["tty"]
        scratch = commands.Scratch(f"run-{name}", tty)
        ours, theirs = self._streams()
        self._busy = True

        def done(status: int) -> None:
            try:
                if status != 0:
                    raise ValueError(scratch.complaint() or f"the runtime ended with {exit_of(status)[0]}")
                pid = scratch.pid()
                if tty:
                    ours[1] = scratch.terminal()
                self._started(pid, ours)
                reply()
                self._node.processes.adopt(pid, self._exited)
            except (ValueError, OSError) as error:
                for fd in ours.values():
                    os.close(fd)
                self._failed(str(error))
                fail(str(error))
            finally:
                scratch.close()

        argv = commands.run(self.record["runtime"], name, scratch.key, self.record["bundle"], tty)
        try:
            self._node.processes.spawn(argv, theirs, done)
        finally:
            for fd in theirs.values():
                os.close(fd)

    def _streams(self) -> tuple[dict[int, int], dict[int, int]]:
        ours: dict[int, int] = {}
        theirs: dict[int, int] = {}
        for number in range(3):
            wanted = not self.record["tty"] and (number > 0 or self.record["stdin"])
            if not wanted:
                theirs[number] = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
                continue
            read, write = os.pipe2(os.O_CLOEXEC)
            ours[number], theirs[number] = (write, read) if number == 0 else (read, write)
        return ours, theirs

    def _started(self, pid: int, fds: dict[int, int]) -> None:
        self.record.update(state="running", pid=pid, host_pid=self._node.host_pid(pid), started_at=now())
        self._busy = False
        for number, fd in fds.items():
            if number == 0:
                self._stdin = Sink(self._node.loop, fd, lambda: None)
            else:
                self._listen(fd, *NAMES[number])
        if self.record["tty"]:
            self._terminal = fds[1]
            if self.record["stdin"]:
                self._stdin = Sink(self._node.loop, os.dup(fds[1]), lambda: None)
        fds.clear()
        self._node.records.save_container(self.record)
        self._node.tell("started", self.record["id"], self.record["sandbox"])
        if self._when_gone:  # somebody asked for its end while it was being born
            self.kill(signal.SIGKILL)

    def _failed(self, message: str) -> None:
        self.record.update(state="exited", exit_code=START_FAILED, message=message, finished_at=now())
        self._node.records.save_container(self.record)
        self._delete()

    # -- output and input ---------------------------------------------------------------------------------------

    def _listen(self, fd: int, name: str, channel: int) -> None:
        splitter = LineSplitter(name)
        self._splitters.append(splitter)

        def data(piece: bytes) -> None:
            self._log.write(splitter.feed(piece, stamp()))
            for session, channels in self._attached:
                if channel in channels:
                    session.send(channel, piece)
            if any(session.full for session, _ in self._attached):
                self._pause()

        self._sources.append(Source(self._node.loop, fd, data, lambda: None))

    def _pause(self) -> None:
        for source in self._sources:
            source.pause()

    def _resume(self) -> None:
        if not any(session.full for session, _ in self._attached):
            for source in self._sources:
                source.resume()

    def attach(self, wanted: dict[str, Any]) -> socket.socket:
        """A session to the process itself; it ends with the process, or when its user leaves."""
        if self.record["state"] != "running":
            raise ValueError(f"container {self.record['id']} is not running")
        ours, theirs = socket.socketpair()
        channels = frozenset(c for name, c in NAMES.values() if wanted.get(name))
        session = Session(self._node.loop, ours, lambda: self._detach(session))
        self._attached.append((session, channels))
        session.on_room(self._resume)
        session.terminal = self._terminal
        if wanted.get("stdin") and self._stdin is not None:
            session.feed(self._stdin)
            session.on_stdin_closed = self._stdin_closed
        return theirs

    def _detach(self, gone: Session) -> None:
        self._attached = [entry for entry in self._attached if entry[0] is not gone]
        if gone.to is not None:
            self._stdin_closed()
        self._resume()

    def _stdin_closed(self) -> None:
        if self.record["stdin_once"] and self._stdin is not None and self._terminal < 0:
            self._stdin.finish()

    def reopen_log(self) -> None:
        self._log.reopen()

    # -- the end ------------------------------------------------------------------------------------------------

    def kill(self, number: int) -> None:
        """A container that has ended already is no error: the signal came too late."""
        if self.record["pid"]:
            os.kill(self.record["pid"], number)

    def _exited(self, status: int) -> None:
        code, number = exit_of(status)
        group = self.record["cgroup"]
        oom = number == signal.SIGKILL and cgroups.oom_kills(self._node.cgroups, group) > 0
        for source in self._sources:
            source.drain()
        for splitter in self._splitters:
            self._log.write(splitter.flush(stamp()))
        self._log.reopen()
        if self._stdin is not None:
            self._stdin.close()
        self.record.update(
            state="exited", pid=0, host_pid=0, exit_code=code, signal=number, oom_killed=oom, finished_at=now()
        )
        self._node.records.save_container(self.record)
        attached, self._attached = self._attached, []
        for session, _ in attached:
            session.end(sessions.success())
        self._node.tell("exited", self.record["id"], self.record["sandbox"])
        ended, self._when_ended = self._when_ended, []
        for call in ended:
            call()
        self._delete()

    def _delete(self) -> None:
        """Let the runtime forget it; its group goes with it, and whatever of it shared the node's processes."""
        self._busy = True
        scratch = commands.Scratch(f"delete-{self.record['id']}", False)

        def done(status: int) -> None:
            self._busy = False
            scratch.close()
            cgroups.remove(self._node.cgroups, self.record["cgroup"])
            waiting, self._when_gone = self._when_gone, []
            for call in waiting:
                call()

        for pid in cgroups.members(self._node.cgroups, self.record["cgroup"]) - {0, 1}:
            os.kill(pid, signal.SIGKILL)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            argv = commands.delete(self.record["runtime"], self.record["id"], scratch.key)
            self._node.processes.spawn(argv, {0: null, 1: null, 2: null}, done)
        except OSError:
            done(0)
        finally:
            os.close(null)

    def when_ended(self, call: Callable[[], None]) -> None:
        """Call once its process has ended and its output is in the log."""
        self._when_ended.append(call)

    def when_gone(self, call: Callable[[], None]) -> None:
        """Call once it has ended and the runtime has let go of it."""
        self._when_gone.append(call)

    def end(self, reply: Callable[[], None]) -> None:
        """Kill it; `reply` once nothing of it runs."""
        if self._busy or self.record["state"] == "running":
            self._when_gone.append(lambda: self.end(reply))
            self.kill(signal.SIGKILL)
        else:
            reply()

    def remove(self, reply: Callable[[], None]) -> None:
        """Kill it if it runs, unmount and forget it; its files are the client's."""
        self.end(lambda: self._forget(reply))

    def _forget(self, reply: Callable[[], None]) -> None:
        if self._node.containers.pop(self.record["id"], None):
            unmount_all(self.record["mounts"])
            self._node.records.forget_container(self.record["id"])
            self._node.tell("removed", self.record["id"], self.record["sandbox"])
        reply()
