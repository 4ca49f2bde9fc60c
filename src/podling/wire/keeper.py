"""The protocol between the keeper and its clients: versioned JSON frames.

A frame is a four-byte big-endian length and one JSON object. A request is `{"id", "op", …}`, its answer `{"id", "ok"}`
or `{"id", "error", "reason"}`, and `{"event"}` comes unasked after a `subscribe`. Descriptors travel beside the bytes
(SCM_RIGHTS): a frame says in `fds` how many of those received so far belong to it. Plain `json` because the keeper
must stay small and stands on the standard library alone.
"""

from __future__ import annotations

import json
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

VERSION = 1
MAX_FRAME = 64 << 20
_LENGTH = struct.Struct("!I")


class ProtocolError(ValueError):
    """The other side does not speak this protocol."""


def encode(message: dict[str, Any]) -> bytes:
    payload = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTH.pack(len(payload)) + payload


class Decoder:
    """Collects bytes, yields messages. Raises ProtocolError."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_FRAME:
                raise ProtocolError(f"a frame of {length} bytes")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield _parse(payload)


def _parse(payload: bytes) -> dict[str, Any]:
    try:
        message = json.loads(payload)
    except ValueError as error:
        raise ProtocolError(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise ProtocolError("a frame that is not an object")
    return message
