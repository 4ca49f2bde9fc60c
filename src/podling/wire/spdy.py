"""SPDY/3.1 framing without I/O: the multiplexer under `kubectl port-forward` and old clients' exec.

The protocol died on the web in 2016 and lives on in Kubernetes: port-forward speaks it inside a WebSocket, older
clients after a plain upgrade. Flow control is read and written but not kept: the library at the other end (moby's
spdystream) neither sends windows nor heeds them, and TCP's back-pressure serves both sides.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age "
    "allow authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(struct.pack("!I", len(word)) + word.replace("_", " ").encode() for word in _WORDS.split()) + _TAIL.encode()
)
"""What both sides' header compression begins with (section 2.6.10.1 of the SPDY/3 draft)."""

FIN, UNIDIRECTIONAL = 0x01, 0x02
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, UNSUPPORTED_VERSION, CANCEL, INTERNAL_ERROR = 1, 2, 3, 4, 5, 6
"""Status codes of RST_STREAM."""
MAX_DATA = 32 << 10
"""What we put into one DATA frame."""
MAX_FRAME = 4 << 20
"""The longest frame that is taken."""
MAX_HEADERS = 64 << 10

_VERSION = 3
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _HEADERS, _WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9

Headers = Mapping[str, str]
"""Lower-case names; several values of one name are joined by NUL."""


class SynStream(NamedTuple):
    stream: int
    headers: Headers
    fin: bool = False
    unidirectional: bool = False


class SynReply(NamedTuple):
    stream: int
    headers: Headers
    fin: bool = False


class MoreHeaders(NamedTuple):
    stream: int
    headers: Headers
    fin: bool = False


class Data(NamedTuple):
    stream: int
    data: bytes
    fin: bool = False


class Reset(NamedTuple):
    stream: int
    status: int


class Settings(NamedTuple):
    values: Mapping[int, int]


class Ping(NamedTuple):
    id: int


class GoAway(NamedTuple):
    last_good: int
    status: int


class WindowUpdate(NamedTuple):
    stream: int
    delta: int


Frame = SynStream | SynReply | MoreHeaders | Data | Reset | Settings | Ping | GoAway | WindowUpdate


class SpdyError(Exception):
    """The peer broke the protocol; the connection is of no use any more."""


class Spdy:
    """Both directions of one connection. A client's streams and pings have odd numbers."""

    def __init__(self, *, client: bool) -> None:
        self._next_stream = 1 if client else 2
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that the received bytes complete; unknown control frames are skipped. Raises SpdyError."""
        self._buffer += data
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from("!II", self._buffer)
            end = 8 + (second & 0xFFFFFF)
            if end > MAX_FRAME:
                raise SpdyError(f"a frame of {end} bytes")
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[8:end])
            del self._buffer[:end]
            flags = second >> 24
            if not first & 0x80000000:
                yield Data(first, payload, bool(flags & FIN))
            elif (frame := self._control(first, flags, payload)) is not None:
                yield frame

    def _control(self, first: int, flags: int, payload: bytes) -> Frame | None:
        version, kind = first >> 16 & 0x7FFF, first & 0xFFFF
        if version != _VERSION:
            raise SpdyError(f"SPDY version {version}")
        fin = bool(flags & FIN)
        try:
            if kind == _SYN_STREAM:
                (stream,) = struct.unpack_from("!I", payload)
                headers = self._decompress(payload[10:])
                return SynStream(stream & 0x7FFFFFFF, headers, fin, bool(flags & UNIDIRECTIONAL))
            if kind in (_SYN_REPLY, _HEADERS):
                (stream,) = struct.unpack_from("!I", payload)
                make = SynReply if kind == _SYN_REPLY else MoreHeaders
                return make(stream & 0x7FFFFFFF, self._decompress(payload[4:]), fin)
            return _simple(kind, payload)
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise SpdyError(f"a frame of kind {kind} that cannot be read: {error}") from error

    # Sending: each answers with the bytes to write, in the order of the calls (compression has a state).

    def open(self, headers: Headers, *, fin: bool = False) -> tuple[int, bytes]:
        """A new stream of ours: (its number, SYN_STREAM)."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        payload = struct.pack("!IIBB", stream, 0, 0, 0) + self._compress(headers)
        return stream, _framed(_SYN_STREAM, payload, FIN if fin else 0)

    def reply(self, stream: int, headers: Headers | None = None, *, fin: bool = False) -> bytes:
        payload = struct.pack("!I", stream) + self._compress(headers or {})
        return _framed(_SYN_REPLY, payload, FIN if fin else 0)

    def headers(self, stream: int, headers: Headers, *, fin: bool = False) -> bytes:
        return _framed(_HEADERS, struct.pack("!I", stream) + self._compress(headers), FIN if fin else 0)

    def data(self, stream: int, data: bytes, *, fin: bool = False) -> bytes:
        """As many DATA frames as it takes; an empty one for a bare end of stream."""
        pieces = [data[start : start + MAX_DATA] for start in range(0, len(data), MAX_DATA)]
        if not pieces and fin:
            pieces = [b""]
        frames = [struct.pack("!II", stream, len(piece)) + piece for piece in pieces]
        if fin:
            last = pieces[-1]
            frames[-1] = struct.pack("!II", stream, FIN << 24 | len(last)) + last
        return b"".join(frames)

    def reset(self, stream: int, status: int = CANCEL) -> bytes:
        return _framed(_RST_STREAM, struct.pack("!II", stream, status))

    def ping(self, id: int) -> bytes:
        return _framed(_PING, struct.pack("!I", id))

    def go_away(self, last_good: int, status: int = 0) -> bytes:
        return _framed(_GOAWAY, struct.pack("!II", last_good, status))

    def settings(self, values: Mapping[int, int]) -> bytes:
        entries = b"".join(struct.pack("!II", id, value) for id, value in values.items())
        return _framed(_SETTINGS, struct.pack("!I", len(values)) + entries)

    def window_update(self, stream: int, delta: int) -> bytes:
        return _framed(_WINDOW_UPDATE, struct.pack("!II", stream, delta))

    def _compress(self, headers: Headers) -> bytes:
        block = struct.pack("!I", len(headers))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                block += struct.pack("!I", len(text)) + text
        return self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def _decompress(self, data: bytes) -> Headers:
        block = self._inflate.decompress(data, MAX_HEADERS)
        if self._inflate.unconsumed_tail:
            raise SpdyError(f"headers of more than {MAX_HEADERS} bytes")
        (count,) = struct.unpack_from("!I", block)
        headers: dict[str, str] = {}
        position = 4
        for _ in range(count):
            name, position = _text(block, position)
            headers[name], position = _text(block, position)
        return headers


def _simple(kind: int, payload: bytes) -> Frame | None:
    """The control frames without headers."""
    if kind == _RST_STREAM:
        stream, status = struct.unpack_from("!II", payload)
        return Reset(stream & 0x7FFFFFFF, status)
    if kind == _PING:
        return Ping(*struct.unpack_from("!I", payload))
    if kind == _GOAWAY:
        last, status = struct.unpack_from("!II", payload) if len(payload) >= 8 else (*struct.unpack("!I", payload), 0)
        return GoAway(last & 0x7FFFFFFF, status)
    if kind == _WINDOW_UPDATE:
        stream, delta = struct.unpack_from("!II", payload)
        return WindowUpdate(stream & 0x7FFFFFFF, delta & 0x7FFFFFFF)
    if kind == _SETTINGS:
        (count,) = struct.unpack_from("!I", payload)
        values = struct.unpack_from(f"!{2 * count}I", payload, 4)
        return Settings({id & 0xFFFFFF: value for id, value in zip(values[::2], values[1::2], strict=True)})
    return None


def _framed(kind: int, payload: bytes, flags: int = 0) -> bytes:
    return struct.pack("!HHI", 0x8000 | _VERSION, kind, flags << 24 | len(payload)) + payload


def _text(block: bytes, position: int) -> tuple[str, int]:
    (size,) = struct.unpack_from("!I", block, position)
    start, end = position + 4, position + 4 + size
    if end > len(block):
        raise SpdyError("headers that end too early")
    return block[start:end].decode(), end
