"""Container logs: sent from the CRI log files, followed by inotify, rotated before they fill the disk."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from podling.api.errors import BadRequest
from podling.kubelet.inotify import FileWatch
from podling.kubelet.logoptions import LogOptions, Shower
from podling.runtime.interface import Runtime
from podling.supervise import Supervisor

PIECE = 64 << 10
FALLBACK = 1.0
"""Seconds after which a follower looks even if no event came."""
_PULLS = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}


def chosen_container(status: Mapping[str, Any], pod: str, container: str, previous: bool) -> str:
    """The id of the run whose log is meant, by the Pod's status. Raises BadRequest in upstream's words."""
    keys = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    found = next((s for key in keys for s in status.get(key, ()) if s["name"] == container), None)
    if found is None:
        raise BadRequest(f'container "{container}" in pod "{pod}" is not available')
    state, last = found.get("state", {}), found.get("lastState", {}).get("terminated")
    if previous:
        if last is None or not last.get("containerID"):
            raise BadRequest(f'previous terminated container "{container}" in pod "{pod}" not found')
        return _id(last["containerID"])
    if "running" in state or "terminated" in state:
        return _id(found.get("containerID", ""))
    if last is not None and last.get("containerID"):
        return _id(last["containerID"])
    reason = state.get("waiting", {}).get("reason", "ContainerCreating")
    raise BadRequest(f'container "{container}" in pod "{pod}" is waiting to start: {_PULLS.get(reason, reason)}')


def _id(full: str) -> str:
    return full.rpartition("/")[2]


async def send_log(path: str, options: LogOptions, out: socket.socket, ended: Callable[[], Awaitable[None]]) -> None:
    """Send the log until its end, or while following until `ended` returns or the reader goes; closes `out`."""
    with out:
        try:
            shower = Shower(options)
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if options.tail is not None:
                    os.lseek(fd, _tail_offset(fd, options.tail), os.SEEK_SET)
                await _drain(fd, shower, out)
                if options.follow and not shower.full:
                    await _follow(path, fd, shower, out, ended)
            finally:
                os.close(fd)
        except (FileNotFoundError, ConnectionError):
            # No output yet and not to be followed, or the reader went away: both are an end like any other.
            return


async def _follow(path: str, fd: int, shower: Shower, out: socket.socket, ended: Callable[[], Awaitable[None]]) -> None:
    """After the present end: until the container ended and all is sent, or nobody reads any more."""
    fd = os.dup(fd)
    try:
        async with Supervisor() as both:
            while True:
                with FileWatch(path) as watch:
                    over = both.start("end of container", _poke_after(ended, watch))
                    left = both.start("reader left", _poke_after(lambda: _reader_gone(out), watch))
                    await _drain(fd, shower, out)
                    while not (over.done() or left.done() or shower.full or _rotated(path, fd)):
                        await watch.wait(FALLBACK)
                        await _drain(fd, shower, out)
                    stop = over.done() or left.done() or shower.full
                    over.cancel()
                    left.cancel()
                await _drain(fd, shower, out)
                if stop:
                    return
                os.close(fd)
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(fd)


async def _poke_after(what: Callable[[], Awaitable[None]], watch: FileWatch) -> None:
    await what()
    watch.poke()


async def _reader_gone(out: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    try:
        while await loop.sock_recv(out, 1024):
            pass
    except ConnectionError:
        return


def _rotated(path: str, fd: int) -> bool:
    try:
        return os.stat(path).st_ino != os.fstat(fd).st_ino
    except FileNotFoundError:
        return False


async def _drain(fd: int, shower: Shower, out: socket.socket) -> None:
    """Send everything up to the present end of the file, a piece at a time."""
    loop = asyncio.get_running_loop()
    while not shower.full and (data := os.read(fd, PIECE)):
        shown = shower.feed(data)
        if shown:
            await loop.sock_sendall(out, shown)
        # A long log must not hold the loop: others come first after every piece.
        await asyncio.sleep(0)


def _tail_offset(fd: int, lines: int) -> int:
    """Where the last `lines` lines of a file begin."""
    end = position = os.lseek(fd, 0, os.SEEK_END)
    if lines == 0:
        return end
    missing = lines + 1
    while position > 0:
        start = max(position - PIECE, 0)
        block = os.pread(fd, position - start, start)
        breaks = block.count(b"\n")
        if breaks < missing:
            missing -= breaks
            position = start
            continue
        index = len(block)
        for _ in range(missing):
            index = block.rindex(b"\n", 0, index)
        return start + index + 1
    return 0


async def rotate(runtime: Runtime, container: str, path: str, stamp: str, limit: int, files: int) -> bool:
    """Move a log over `limit` bytes aside and let the runtime write a new one; at most `files` are kept."""
    try:
        if os.stat(path).st_size < limit:
            return False
    except FileNotFoundError:
        return False
    os.rename(path, f"{path}.{stamp}")
    await runtime.reopen_log(container)
    folder, name = os.path.split(path)
    old = sorted(entry for entry in os.listdir(folder) if entry.startswith(f"{name}."))
    for entry in old[: max(len(old) - (files - 1), 0)]:
        os.unlink(os.path.join(folder, entry))
    return True
