"""The log format of the Container Runtime Interface: `<time> <stream> <F|P> <text>`.

One line of output is one line of the file with tag F. A line longer than 16 KiB is cut into pieces tagged P, and so
is a last line that ended without a newline: a reader joins P pieces to what follows and adds no newline after them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NamedTuple

    class Line(NamedTuple):
        """`time` is RFC 3339 with nanoseconds; `text` has its newline exactly where the program wrote one."""

        time: str
        stream: str
        text: bytes
else:
    from collections import namedtuple

    Line = namedtuple("Line", "time stream text")

MAX_LINE = 16 * 1024


class LineSplitter:
    """Turns one stream's output into log lines. What has no newline yet waits for it or for `flush`."""

    def __init__(self, stream: str) -> None:
        self._stream = stream.encode()
        self._rest = b""

    def feed(self, data: bytes, time: str) -> bytes:
        """The log lines that `data` completes; may be empty."""
        lines = (self._rest + data).split(b"\n")
        rest = lines.pop()
        out: list[bytes] = []
        if lines and max(map(len, lines)) <= MAX_LINE:
            # Ten thousand short lines in one piece are common, and Python is slow line by line.
            head = b"%s %s F " % (time.encode(), self._stream)
            out += [head, (b"\n" + head).join(lines), b"\n"]
            lines = []
        for line in lines:
            self._cut(line, time, out)
            out.append(self._line(time, b"F", line[self._whole(line) :]))
        whole = self._whole(rest) if len(rest) > MAX_LINE else 0
        if whole:
            self._cut(rest, time, out)
        self._rest = rest[whole:]
        return b"".join(out)

    def flush(self, time: str) -> bytes:
        """What is left at the end of the stream, as a partial line."""
        rest, self._rest = self._rest, b""
        return self._line(time, b"P", rest) if rest else b""

    @staticmethod
    def _whole(line: bytes) -> int:
        """How many of the bytes go into full pieces, leaving at least one byte of a line that has any."""
        return (len(line) - 1) // MAX_LINE * MAX_LINE if line else 0

    def _cut(self, line: bytes, time: str, out: list[bytes]) -> None:
        for start in range(0, self._whole(line), MAX_LINE):
            out.append(self._line(time, b"P", line[start : start + MAX_LINE]))

    def _line(self, time: str, tag: bytes, text: bytes) -> bytes:
        return b"%s %s %s %s\n" % (time.encode(), self._stream, tag, text)


def parse(data: bytes) -> Iterator[Line]:
    """The lines of a piece of log; broken ones (a torn write after a crash) are left out."""
    for raw in data.split(b"\n"):
        parts = raw.split(b" ", 3)
        if len(parts) < 3 or parts[2][:1] not in (b"F", b"P"):
            continue
        text = parts[3] if len(parts) == 4 else b""
        end = b"\n" if parts[2][:1] == b"F" else b""
        yield Line(parts[0].decode("ascii", "replace"), parts[1].decode("ascii", "replace"), text + end)
