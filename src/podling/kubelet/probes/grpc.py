"""grpc: the standard health service, asked in the few HTTP/2 frames that takes.

One request on a fresh connection needs no HTTP/2 library: a preface, SETTINGS, one HEADERS frame without compression,
one DATA frame; the answer's DATA frame holds the health status, whatever its compressed headers say.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

from podling.kubelet.probes.types import SUCCESS, Outcome, ProbeType, Target, dial_error

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
SERVING = 1
MOST = 1 << 20
_STATUS = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


class _GrpcProbe:
    source = "grpc"

    async def ask(self, action: Any, target: Target, timeout: float) -> Outcome:
        host, port = target.pod_ip, action.port
        try:
            async with asyncio.timeout(timeout):
                status = await _check(host, port, action.service or "")
        except TimeoutError:
            words = f'timeout: failed to connect service "{host}:{port}" within {timeout:g}s: context deadline exceeded'
            return Outcome("failure", words)
        except (EOFError, struct.error, ValueError):
            return Outcome("failure", "error: this server does not implement the grpc health protocol")
        except OSError as error:
            return Outcome("failure", f"error: {dial_error(host, port, error)}")
        if status == SERVING:
            return SUCCESS
        return Outcome("failure", f'service unhealthy (responded with "{_STATUS.get(status, str(status))}")')


async def _check(host: str, port: int, service: str) -> int:
    """The health status as a number. Raises EOFError or ValueError where the answer is none."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        name = service.encode()
        message = (b"\x0a" + _varint(len(name)) + name) if name else b""
        body = b"\x00" + struct.pack("!I", len(message)) + message
        writer.write(PREFACE + _frame(SETTINGS, 0, 0, b"") + _frame(HEADERS, END_HEADERS, 1, _headers(host, port)))
        writer.write(_frame(DATA, END_STREAM, 1, body))
        return await _answer(reader, writer)
    finally:
        writer.transport.abort()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    received = b""
    while True:
        try:
            head = await reader.readexactly(9)
            length = int.from_bytes(head[:3], "big")
            if length > MOST:
                raise ValueError("not HTTP/2")
            payload = await reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            raise EOFError from error
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        if kind == SETTINGS and not flags & ACK:
            writer.write(_frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            writer.write(_frame(PING, ACK, 0, payload))
        elif kind in (RESET, GOAWAY):
            raise ValueError("the stream was refused")
        elif stream == 1 and kind == DATA:
            received += payload
            if len(received) >= 5 and len(received) >= 5 + int.from_bytes(received[1:5], "big"):
                return _status(received[5:])
        if stream == 1 and kind in (DATA, HEADERS) and flags & END_STREAM:
            raise ValueError("no message in the answer")


def _status(message: bytes) -> int:
    """Field 1 of HealthCheckResponse; proto3 leaves a zero out."""
    return message[1] if message[:1] == b"\x08" and len(message) > 1 else 0


def _varint(number: int) -> bytes:
    """A length as protobuf writes it: seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def _headers(host: str, port: int) -> bytes:
    """A header block of literals without indexing (RFC 7541, 6.2.2): readable by every peer, no state to keep."""
    fields = (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", f"{host}:{port}"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "kube-probe/1.37"),
    )
    return b"".join(
        b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode() for name, value in fields
    )


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


PROBE: ProbeType = _GrpcProbe()
