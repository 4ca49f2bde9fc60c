"""WebSocket framing without I/O (RFC 6455), for both sides, and the channels Kubernetes puts into it.

Exec, attach and port-forward come as WebSockets whose messages begin with a channel byte (`v5.channel.k8s.io` and
its ancestors) or carry a raw SPDY stream (`SPDY/3.1+portforward.k8s.io`). Bytes in, events out; whoever has the
connection answers a ping with `pong` and a close with `close`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

NORMAL, GOING_AWAY, PROTOCOL_ERROR, TOO_BIG, INTERNAL_ERROR = 1000, 1001, 1002, 1009, 1011
NO_CODE = 1005
"""What `Close.code` says when the peer gave none; never sent."""


class Message(NamedTuple):
    """A whole message, its fragments joined."""

    data: bytes
    text: bool = False


class Ping(NamedTuple):
    data: bytes


class Pong(NamedTuple):
    data: bytes


class Close(NamedTuple):
    code: int
    reason: str


Event = Message | Ping | Pong | Close


class WebSocketError(Exception):
    """The peer broke the protocol; `code` is what a close frame should say."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def accept_key(key: str) -> str:
    """`Sec-WebSocket-Accept` for a request's `Sec-WebSocket-Key`."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def chosen_protocol(offered: str, supported: Sequence[str]) -> str | None:
    """The first of the client's subprotocols (a comma-separated header) that is supported; None for none."""
    return next((name for name in map(str.strip, offered.split(",")) if name in supported), None)


class WebSocket:
    """One connection's framing. A client masks with the four bytes that `mask` gives, a server (None) does not."""

    def __init__(self, mask: Callable[[], bytes] | None = None, max_message: int = 16 << 20) -> None:
        self._mask = mask
        self._max = max_message
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._text = False
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """What the received bytes complete. Raises WebSocketError."""
        self._buffer += data
        while (found := self._frame()) is not None:
            final, opcode, payload = found
            if opcode >= _CLOSE:
                yield _control(opcode, payload)
            elif (message := self._joined(final, opcode, payload)) is not None:
                yield message

    def message(self, data: bytes, *, text: bool = False) -> bytes:
        return self._encode(_TEXT if text else _BINARY, data)

    def ping(self, data: bytes = b"") -> bytes:
        return self._encode(_PING, data)

    def pong(self, data: bytes = b"") -> bytes:
        return self._encode(_PONG, data)

    def close(self, code: int = NORMAL, reason: str = "") -> bytes:
        """A close frame; a reason is cut to what fits."""
        if code == NO_CODE:
            return self._encode(_CLOSE, b"")
        said = reason.encode()[:123].decode(errors="ignore").encode()
        return self._encode(_CLOSE, struct.pack("!H", code) + said)

    def _encode(self, opcode: int, data: bytes) -> bytes:
        size, masked = len(data), 0 if self._mask is None else 0x80
        if size < 126:
            head = bytes((0x80 | opcode, masked | size))
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x80 | opcode, masked | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, masked | 127, size)
        if self._mask is None:
            return head + data
        key = self._mask()
        return head + key + _masked(data, key)

    def _frame(self) -> tuple[bool, int, bytes] | None:
        """Take one whole frame off the buffer: (final, opcode, payload)."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        self._check(first, second)
        size, start = second & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(buffer) < 2 + width:
                return None
            size, start = int.from_bytes(buffer[2 : 2 + width], "big"), 2 + width
        if self._size + size > self._max:
            raise WebSocketError(TOO_BIG, f"a message of more than {self._max} bytes")
        key_size = 4 if second & 0x80 else 0
        end = start + key_size + size
        if len(buffer) < end:
            return None
        payload = bytes(buffer[start + key_size : end])
        if key_size:
            payload = _masked(payload, bytes(buffer[start : start + 4]))
        del buffer[:end]
        return bool(first & 0x80), first & 0x0F, payload

    def _check(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if first & 0x70:
            raise WebSocketError(PROTOCOL_ERROR, "an extension that was not agreed on")
        if opcode not in (_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG):
            raise WebSocketError(PROTOCOL_ERROR, f"unknown opcode {opcode}")
        if opcode >= _CLOSE and (not first & 0x80 or second & 0x7F > 125):
            raise WebSocketError(PROTOCOL_ERROR, "a control frame that is fragmented or too long")
        if bool(second & 0x80) != (self._mask is None):
            raise WebSocketError(PROTOCOL_ERROR, "a client has to mask its frames and a server must not")

    def _joined(self, final: bool, opcode: int, payload: bytes) -> Message | None:
        if (opcode == _CONTINUATION) != bool(self._parts):
            raise WebSocketError(PROTOCOL_ERROR, "fragments of messages are mixed")
        if opcode != _CONTINUATION:
            self._text = opcode == _TEXT
        if final and not self._parts:
            return Message(payload, self._text)
        self._parts.append(payload)
        self._size += len(payload)
        if not final:
            return None
        message = Message(b"".join(self._parts), self._text)
        self._parts, self._size = [], 0
        return message


def _control(opcode: int, payload: bytes) -> Event:
    if opcode == _PING:
        return Ping(payload)
    if opcode == _PONG:
        return Pong(payload)
    if len(payload) < 2:
        return Close(NO_CODE, "")
    return Close(int.from_bytes(payload[:2], "big"), payload[2:].decode(errors="replace"))


def _masked(data: bytes, key: bytes) -> bytes:
    """XOR with the repeated key; as one large number, because that is done in C."""
    size = len(data)
    repeated = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")


# Kubernetes' channels.

CHANNEL_PROTOCOLS = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
)
"""The subprotocols of exec and attach, newest first. No subprotocol at all means `channel.k8s.io`."""


class Channels(NamedTuple):
    """How one subprotocol puts (channel, payload) into a message."""

    base64: bool
    """Messages are text: the channel as a digit, the payload in base64."""
    status: bool
    """The error channel carries a whole `metav1.Status` (v4 and newer), otherwise only a failure's message."""
    half_close: bool
    """Channel 255 closes the channel its payload names (v5)."""

    @classmethod
    def of(cls, protocol: str) -> Channels:
        return cls("base64" in protocol, protocol.startswith("v"), protocol.startswith("v5"))

    def pack(self, channel: int, payload: bytes) -> Message:
        if self.base64:
            return Message(b"%d" % channel + base64.b64encode(payload), text=True)
        return Message(bytes((channel,)) + payload)

    def unpack(self, message: Message) -> tuple[int, bytes]:
        """Raises WebSocketError for a message without a channel."""
        if not message.data:
            raise WebSocketError(PROTOCOL_ERROR, "a message without a channel")
        if not self.base64:
            return message.data[0], message.data[1:]
        try:
            return int(message.data[:1]), base64.b64decode(message.data[1:], validate=True)
        except (ValueError, binascii.Error) as error:
            raise WebSocketError(PROTOCOL_ERROR, "a message that is not a digit and base64") from error
