"""Heads of requests that a connection has sent before, so that the parser need not read them again.

A client sends the same header lines with nearly every request; what differs is the request line and the number in
Content-Length. A head is remembered only after the parser took exactly one whole message with it, and recognised only
byte by byte, so nothing is understood here that the parser has not understood first. Everything else (several requests
in one read, a body that comes in pieces, a chunked one) is the parser's.
"""

from __future__ import annotations

REMEMBERED = 8
"""Heads a connection; a client that varies more than that is parsed."""
_METHODS = {each.encode(): each for each in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")}
_LENGTH = b"\r\nContent-Length: "
_LONGEST = 7
"""Digits of a length that can be within the limits of a body."""


Message = tuple[str, bytes, dict[str, str], bytes, bool]
"""One whole request: method, URL, headers, body, whether the connection stays."""


class KnownHeads:
    """Of one connection."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[dict[str, str], bool]] = {}

    def read(self, data: bytes) -> Message | None:
        """The request that `data` is, no more and no less; None where the parser has to look."""
        if not self._known or (parts := _parts(data)) is None:
            return None
        line, head, digits, body = parts
        known = self._known.get(head)
        method, _, rest = line.partition(b" ")
        name = _METHODS.get(method)
        if known is None or name is None or rest[-9:] != b" HTTP/1.1" or not _is_url(url := rest[:-9]):
            return None
        headers, keep_alive = known
        if digits and headers["content-length"] != (length := digits.decode()):
            headers = {**headers, "content-length": length}
        return name, url, headers, body, keep_alive

    def learn(self, data: bytes, headers: dict[str, str], keep_alive: bool) -> None:
        """The parser has read one message from `data`, with these headers, and nothing was left over."""
        if "transfer-encoding" in headers or "expect" in headers or "upgrade" in headers:
            return
        parts = _parts(data)
        if parts is None or headers.get("content-length", "") != parts[2].decode():
            return
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[parts[1]] = headers, keep_alive


def _parts(data: bytes) -> tuple[bytes, bytes, bytes, bytes] | None:
    """Request line, header lines without the digits of their Content-Length, those digits, body; None where `data` is
    not, by its Content-Length, one whole message."""
    first = data.find(b"\r\n")
    end = data.find(b"\r\n\r\n", first)
    if end < 0:
        return None
    line, body = data[:first], data[end + 4 :]
    at = data.find(_LENGTH, first, end)
    if at < 0:
        return None if body else (line, data[first:end], b"", b"")
    at += len(_LENGTH)
    last = data.find(b"\r", at, end + 1)
    digits = data[at:last]
    if not digits.isdigit() or len(digits) > _LONGEST or int(digits) != len(body):
        return None
    return line, data[first:at] + data[last:end], digits, body


def _is_url(text: bytes) -> bool:
    return b" " not in text and text.isascii() and text.decode().isprintable()
