"""The frames of an exec or attach session between keeper and server.

A frame is a channel byte, a four-byte big-endian length, and the payload. The channels are those of Kubernetes'
`v5.channel.k8s.io`, so that a WebSocket message is the channel byte and the payload of one frame: 0 stdin, 1 stdout,
2 stderr, 3 the final `metav1.Status`, 4 a terminal's new size, 255 "this channel is closed" (the payload is its byte).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
MAX_PAYLOAD = 1 << 20
_HEAD = struct.Struct("!BI")


def frame(channel: int, payload: bytes | bytearray | memoryview) -> bytes:
    return _HEAD.pack(channel, len(payload)) + bytes(payload)


class Unframer:
    """Collects bytes, yields (channel, payload). Raises ValueError on a frame that is too long."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            channel, length = _HEAD.unpack_from(self._buffer)
            if length > MAX_PAYLOAD:
                raise ValueError(f"a session frame of {length} bytes")
            end = _HEAD.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_HEAD.size : end])
            del self._buffer[:end]
            yield channel, payload
