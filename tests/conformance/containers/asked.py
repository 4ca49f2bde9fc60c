"""What runs in Pods that are probed or called: answers on port 8080 and writes what it was asked into its log.

Started as `python3 -c <this text> http`, `tcp` or `grpc` with this machine's own Python, so it may import nothing but
the standard library, and little of it, to be quick. `http 2` answers 200 twice and then 500 for ever; `grpc 2` says
SERVING twice and then NOT_SERVING. gRPC is just enough of HTTP/2 for the health service (grpc.health.v1).
"""

from __future__ import annotations

import signal
import socket
import sys

PREFACE = 24
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
STATUS_200 = b"\x88"
CONTENT_TYPE, GRPC_STATUS_0 = b"\x0f\x10\x10application/grpc", b"\x00\x0bgrpc-status\x010"


def say(line: str) -> None:
    print(line, flush=True)


def http(peer: socket.socket, healthy: bool) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += some(peer)
    head, _, body = received.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    lengths = [int(field[15:]) for field in fields if field.lower().startswith("content-length:")]
    while lengths and len(body) < lengths[0]:
        body += some(peer)
    say(f"{first.removesuffix(' HTTP/1.1')} {body.decode()}".strip())
    status = "200 OK" if healthy else "500 Internal Server Error"
    peer.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


def tcp(peer: socket.socket, healthy: bool) -> None:
    say("connected")


def grpc(peer: socket.socket, healthy: bool) -> None:
    exactly(peer, PREFACE)
    peer.sendall(frame(SETTINGS, 0, 0))
    while True:
        head = exactly(peer, 9)
        exactly(peer, int.from_bytes(head[:3], "big"))
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
        if kind == SETTINGS and not flags & ACK:
            peer.sendall(frame(SETTINGS, ACK, 0))
        elif kind == DATA and flags & END_STREAM:
            say("checked")
            peer.sendall(frame(HEADERS, END_HEADERS, stream, STATUS_200 + CONTENT_TYPE))
            peer.sendall(frame(DATA, 0, stream, b"\0\0\0\0\2\x08" + (b"\1" if healthy else b"\2")))
            peer.sendall(frame(HEADERS, END_HEADERS | END_STREAM, stream, GRPC_STATUS_0))


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def exactly(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += some(peer, size - len(data))
    return data


def some(peer: socket.socket, most: int = 65536) -> bytes:
    data = peer.recv(most)
    if not data:
        raise ConnectionResetError("the client has left")
    return data


def main(way: str, good: str = "") -> None:
    # The first process of a container has no default for SIGTERM.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve = {"http": http, "tcp": tcp, "grpc": grpc}[way]
    with socket.create_server(("", 8080)) as server:
        asked = 0
        while True:
            peer, _ = server.accept()
            asked += 1
            with peer:
                peer.settimeout(2)
                try:
                    serve(peer, not good or asked <= int(good))
                except OSError:
                    continue  # whoever leaves early has asked nothing


main(*sys.argv[1:])
