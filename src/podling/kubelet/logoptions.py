"""What of a log is asked for, and how its lines are shown: pure text work on the CRI log format.

(API reference, `PodLogOptions`.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from podling.env import parse_rfc3339, rfc3339_micro


class LogOptions(msgspec.Struct, frozen=True):
    """`since` is the text of an RFC 3339 time; lines before it are left out."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since: str = ""
    tail: int | None = None
    limit: int | None = None
    stream: str = "All"


def options_of(request: Mapping[str, Any], now: float) -> LogOptions:
    """From the fields of PodLogOptions. Raises ValueError."""
    since = ""
    if request.get("sinceSeconds") is not None:
        since = _nanos(now - int(request["sinceSeconds"]))
    elif request.get("sinceTime"):
        since = _nanos(parse_rfc3339(str(request["sinceTime"])))
    return LogOptions(
        follow=bool(request.get("follow")),
        previous=bool(request.get("previous")),
        timestamps=bool(request.get("timestamps")),
        since=since,
        tail=None if request.get("tailLines") is None else max(int(request["tailLines"]), 0),
        limit=None if request.get("limitBytes") is None else int(request["limitBytes"]),
        stream=str(request.get("stream") or "All"),
    )


def _nanos(seconds: float) -> str:
    """As the log writes its times, so that texts compare as times do."""
    return rfc3339_micro(seconds)[:-1] + "000Z"


class Shower:
    """Turns pieces of a log file into what the client gets; remembers limits and a cut line between pieces."""

    def __init__(self, options: LogOptions) -> None:
        self._stamped = options.timestamps
        self._since = options.since.encode()
        self._stream = {"Stdout": b"stdout", "Stderr": b"stderr"}.get(options.stream, b"")
        self._left = options.limit
        self._rest = b""

    @property
    def full(self) -> bool:
        """limitBytes is reached."""
        return self._left is not None and self._left <= 0

    def feed(self, data: bytes) -> bytes:
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        shown = b"".join(self._show(line) for line in lines)
        if self._left is not None:
            shown = shown[: max(self._left, 0)]
            self._left -= len(shown)
        return shown

    def _show(self, line: bytes) -> bytes:
        parts = line.split(b" ", 3)
        if len(parts) < 3:
            return b""
        time, stream, tag = parts[:3]
        if (self._since and time < self._since) or (self._stream and stream != self._stream):
            return b""
        text = parts[3] if len(parts) == 4 else b""
        end = b"\n" if tag[:1] == b"F" else b""
        return b"%b %b%b" % (time, text, end) if self._stamped else text + end
