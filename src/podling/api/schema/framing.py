"""Protobuf on the wire: varints, tags, length-delimited fields; no knowledge of any message.

A message is a sequence of (field number, wire type, value). Readers get views of the buffer, so nested messages cost
no copy; writers return bytes. It stands in this room, not in `wire`, because the codec of the table and OpenAPI's
second form are built on it, and `api` imports nothing above itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5

_DOUBLE = struct.Struct("<d")


class Malformed(ValueError):
    """The bytes are no protobuf message."""


def read_varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """(value, position after it). Raises Malformed."""
    value = shift = 0
    while True:
        try:
            byte = data[at]
        except IndexError:
            raise Malformed("unexpected EOF") from None
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift >= 70:
            raise Malformed("proto: integer overflow")


def fields(data: bytes | memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """(number, wire type, value) of each field: an unsigned integer, or a view for length-delimited and fixed ones.

    Raises Malformed.
    """
    view = memoryview(data)
    at, end = 0, len(view)
    while at < end:
        tag, at = read_varint(view, at)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise Malformed("proto: illegal tag 0")
        if wire == VARINT:
            value, at = read_varint(view, at)
            yield number, wire, value
            continue
        if wire == LENGTH:
            size, at = read_varint(view, at)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
        else:
            raise Malformed(f"proto: wrong wireType = {wire} for field {number}")
        if at + size > end:
            raise Malformed("unexpected EOF")
        yield number, wire, view[at : at + size]
        at += size


def signed(value: int) -> int:
    """An int32 or int64 as proto2 writes it: two's complement in 64 bits."""
    return value - (1 << 64) if value >= 1 << 63 else value


def double(data: bytes | memoryview) -> float:
    value: float = _DOUBLE.unpack(data)[0]
    return value


def varint(value: int) -> bytes:
    """An integer; negative ones in two's complement of 64 bits."""
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def put_varint(number: int, value: int) -> bytes:
    return varint(number << 3 | VARINT) + varint(value)


def put_bytes(number: int, value: bytes) -> bytes:
    """A string, bytes or nested message."""
    return varint(number << 3 | LENGTH) + varint(len(value)) + value


def put_double(number: int, value: float) -> bytes:
    return varint(number << 3 | FIXED64) + _DOUBLE.pack(value)
