"""A session: somebody's exec or attach, as frames on a socket pair.

The other end of the pair was handed to the client and from there to whoever serves the user, so a session outlives
the client's process. The keeper cuts output into frames, feeds input to the process, and says the end as a Status.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import termios

from podling.keeper.streams import Sink, Source
from podling.wire.session import CLOSE, RESIZE, STATUS, STDIN, Unframer, frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from podling.keeper.loop import Loop


class Session:
    """Input goes to `to` (None: nobody reads it), sizes to `terminal`; `on_gone` when the user has left."""

    def __init__(self, loop: Loop, end: socket.socket, on_gone: Callable[[], None]) -> None:
        self._unframer = Unframer()
        self._on_gone = on_gone
        self._out = Sink(loop, os.dup(end.fileno()), self._gone)
        self._in = Source(loop, end.detach(), self._receive, self._gone)
        self.to: Sink | None = None
        self.terminal = -1
        self.on_stdin_closed: Callable[[], None] = lambda: None
        self.over = False

    @property
    def full(self) -> bool:
        return self._out.full

    def on_room(self, call: Callable[[], None]) -> None:
        self._out.on_room = call

    def feed(self, to: Sink | None) -> None:
        """From now on what the user types goes there."""
        self.to = to
        if to is not None:
            to.on_room = self._in.resume

    def send(self, channel: int, data: bytes) -> None:
        self._out.write(frame(channel, data))

    def end(self, status: bytes) -> None:
        """The last word; then the socket closes as soon as everything is read."""
        if not self.over:
            self.over = True
            self._in.close()
            self._out.write(frame(STATUS, status))
            self._out.finish()

    def discard(self) -> None:
        """Close without a word: there was nothing to talk to."""
        self.over = True
        self._in.close()
        self._out.close()

    def _receive(self, data: bytes) -> None:
        try:
            for channel, payload in self._unframer.feed(data):
                self._handle(channel, payload)
        except ValueError:
            self._gone()

    def _handle(self, channel: int, payload: bytes) -> None:
        if channel == STDIN and self.to is not None:
            self.to.write(payload)
            if self.to.full:
                self._in.pause()
        elif channel == CLOSE and payload == bytes([STDIN]):
            self.on_stdin_closed()
        elif channel == RESIZE and self.terminal >= 0:
            resize(self.terminal, payload)

    def _gone(self) -> None:
        if not self.over:
            self.over = True
            self._in.close()
            self._out.close()
            self._on_gone()


def resize(terminal: int, payload: bytes) -> None:
    """Set a terminal's size from `{"Width": columns, "Height": rows}`; nonsense is ignored, as upstream does."""
    try:
        size = json.loads(payload)
        packed = struct.pack("HHHH", int(size["Height"]), int(size["Width"]), 0, 0)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, packed)
    except (ValueError, KeyError, TypeError, struct.error, OSError):
        return


def success() -> bytes:
    return b'{"metadata":{},"status":"Success"}'


def ended(code: int) -> bytes:
    """The Status of a command that ran: kubectl takes its own exit code from the cause."""
    if code == 0:
        return success()
    return json.dumps(
        {
            "metadata": {},
            "status": "Failure",
            "message": f"command terminated with non-zero exit code: command terminated with exit code {code}",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
        }
    ).encode()
