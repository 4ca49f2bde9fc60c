"""Heads of requests that a connection has sent before, so that the parser need not read them again.

A client sends the same header lines with nearly every request; what differs is the request line and the number in
Content-Length. A head is remembered only after the parser took exactly one whole message with it, and recognised only
byte by byte, so nothing is understood here that the parser has not understood first. Everything else (several requests
in one read, a body that comes in pieces, a chunked one) is the parser's.
"""

from __future__ import annotations

from functools import lru_cache

REMEMBERED = 8
"""Heads a connection; a client that varies more than that is parsed."""
METHODS = {each.encode(): each for each in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")}
_LENGTH = b"\r\nContent-Length: "
_LONGEST = 7
"""Digits of a length that can be within the limits of a body."""
LONG_LINE = 512  # longer ones are not remembered


Message = tuple[str, bytes, dict[str, str], bytes, bool]
"""One whole request: method, URL, headers, body, whether the connection stays."""


class KnownHeads:
    """Of one connection."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[dict[str, str], bool]] = {}
        self._last: bytes | None = None
        """The head of the last request without a body: most requests are reads, and equal but for their first line."""

    def read(self, data: bytes) -> Message | None:
        """The request that `data` is, no more and no less; None where the parser has to look."""
        if not self._known:
            return None
        first = data.find(b"\r\n")
        if data[first:] == self._last:
            head, digits, body = data[first:-4], b"", b""
        elif (parts := _parts(data, first)) is not None:
            head, digits, body = parts
            if not digits:
                self._last = data[first:]
        else:
            return None
        known, line = self._known.get(head), _request_line(data[:first])
        if known is None or line is None:
            return None
        headers, keep_alive = known
        if digits and headers["content-length"] != (length := digits.decode()):
            headers = {**headers, "content-length": length}
        return *line, headers, body, keep_alive

    def learn(self, data: bytes, headers: dict[str, str], keep_alive: bool) -> None:
        """The parser has read one message from `data`, with these headers, and nothing was left over."""
        if "transfer-encoding" in headers or "expect" in headers or "upgrade" in headers:
            return
        parts = _parts(data, data.find(b"\r\n"))
        if parts is None or headers.get("content-length", "") != parts[1].decode():
            return
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[parts[0]] = headers, keep_alive


def _parts(data: bytes, first: int) -> tuple[bytes, bytes, bytes] | None:
    """Header lines without the digits of their Content-Length, those digits, body; None where `data`, whose first line
    ends at `first`, is not by its Content-Length one whole message."""
    end = data.find(b"\r\n\r\n", first)
    if first < 0 or end < 0:
        return None
    body = data[end + 4 :]
    at = data.find(_LENGTH, first, end)
    if at < 0:
        return None if body else (data[first:end], b"", b"")
    at += len(_LENGTH)
    last = data.find(b"\r", at, end + 1)
    digits = data[at:last]
    if not digits.isdigit() or len(digits) > _LONGEST or int(digits) != len(body):
        return None
    return data[first:at] + data[last:end], digits, body


def _request_line(line: bytes) -> tuple[str, bytes] | None:
    return _read_line(line) if len(line) < LONG_LINE else _read_line.__wrapped__(line)


@lru_cache(maxsize=4096)
def _read_line(line: bytes) -> tuple[str, bytes] | None:
    """Method and URL; None for what only the parser can judge."""
    method, _, rest = line.partition(b" ")
    name, url = METHODS.get(method), rest[:-9]
    if name is None or rest[-9:] != b" HTTP/1.1" or b" " in url or not url.isascii() or not url.decode().isprintable():
        return None
    return name, url
