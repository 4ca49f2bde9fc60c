"""What runs in Pods of these tests: says its name by HTTP and UDP, asks others, and answers how that went.

Started as `python3 -c <this text> http=8080,8081 udp=8081 https=8443` with this machine's own Python, so it may import
nothing but the standard library. HTTPS takes certificate and key from the variable TLS.

    /hostname    its name            /shell     runs the body as a script, answers what it printed
    /client      who asks            /dial      asks host, port by protocol, `tries` times
    anything     what was asked      /lookup    asks the nameserver of its resolv.conf
"""

from __future__ import annotations

import json
import os
import signal
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

KINDS = {"A": 1, "CNAME": 5, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33}
CODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        found = getattr(self, f"say_{parts.path.strip('/')}", self.say_what_was_asked)(
            dict(parse_qsl(parts.query)), body
        )
        data = found.encode() if isinstance(found, str) else json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def say_hostname(self, query: dict[str, str], body: str) -> str:
        return socket.gethostname()

    def say_client(self, query: dict[str, str], body: str) -> str:
        return str(self.client_address[0])

    def say_shell(self, query: dict[str, str], body: str) -> object:
        done = subprocess.run(["sh", "-c", body], capture_output=True, text=True, check=False, timeout=20)
        return {"code": done.returncode, "out": done.stdout, "err": done.stderr}

    def say_dial(self, query: dict[str, str], body: str) -> object:
        one = by_udp if query.get("protocol") == "udp" else by_http
        host, port, path = query["host"], int(query["port"]), query.get("path", "/hostname")
        return [tried(lambda: one(host, port, path)) for _ in range(int(query.get("tries", 1)))]

    def say_lookup(self, query: dict[str, str], body: str) -> object:
        return looked_up(query["name"], query.get("kind", "A"), query.get("protocol", "udp"))

    def say_what_was_asked(self, query: dict[str, str], body: str) -> object:
        headers = {name.lower(): value for name, value in self.headers.items()}
        port = self.server.server_address[1]
        return {"method": self.command, "path": self.path, "headers": headers, "body": body, "port": port}

    def log_message(self, *_: object) -> None:
        pass


class Datagrams(socketserver.DatagramRequestHandler):
    def handle(self) -> None:
        asked = self.rfile.read().decode()
        self.wfile.write((str(self.client_address[0]) if asked == "/client" else socket.gethostname()).encode())


class Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128


def tried(ask: object) -> list[str]:
    """[answer] or [“”, why there was none]."""
    try:
        return [ask()]  # type: ignore[operator]
    except (OSError, HTTPException) as error:
        return ["", f"{type(error).__name__}: {error}"]


def by_http(host: str, port: int, path: str) -> str:
    connection = HTTPConnection(host, port, timeout=3)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def by_udp(host: str, port: int, path: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(2)
        sender.connect((socket.gethostbyname(host), port))
        sender.send(path.encode())
        return sender.recv(1000).decode()


def looked_up(name: str, kind: str, protocol: str) -> list[object]:
    """[code, records of that kind], of the name as it stands; `search` paths are not tried."""
    lines = Path("/etc/resolv.conf").read_text().splitlines()
    server = next(line.split()[1] for line in lines if line.startswith("nameserver"))
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.strip(".").split("."))
    question = labels + struct.pack("!BHH", 0, KINDS[kind], 1)
    data = exchanged((server, 53), struct.pack("!6H", 4711, 0x100, 1, 0, 0, 0) + question, protocol)
    _, flags, _, count, _, _ = struct.unpack_from("!6H", data)
    at, found = 12 + len(question), []
    for _ in range(count):
        _, at = name_at(data, at)
        record, _, _, length = struct.unpack_from("!HHIH", data, at)
        at += 10
        if record == KINDS[kind]:
            found.append(told(data, at, record, length))
        at += length
    return [CODES[flags & 15], found]


def exchanged(server: tuple[str, int], query: bytes, protocol: str) -> bytes:
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as connection:
        connection.settimeout(3)
        connection.connect(server)
        if protocol == "udp":
            connection.send(query)
            return connection.recv(4096)
        connection.sendall(struct.pack("!H", len(query)) + query)
        stream = connection.makefile("rb")
        return stream.read(struct.unpack("!H", stream.read(2))[0])


def told(data: bytes, at: int, record: int, length: int) -> object:
    if record == 1:
        return socket.inet_ntoa(data[at : at + 4])
    if record == 33:
        return [struct.unpack_from("!H", data, at + 4)[0], name_at(data, at + 6)[0]]
    return data[at + 1 : at + length].decode() if record == 16 else name_at(data, at)[0]


def name_at(data: bytes, at: int) -> tuple[str, int]:
    parts, after = [], 0
    while data[at]:
        if data[at] >= 192:
            after = after or at + 2
            at = struct.unpack_from("!H", data, at)[0] & 0x3FFF
        else:
            parts.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
    return ".".join(parts), after or at + 1


def secured(server: Tcp) -> Tcp:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w") as pair:
        pair.write(os.environ["TLS"])
        pair.flush()
        context.load_cert_chain(pair.name)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


def main(words: list[str]) -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    makers = {
        "http": lambda port: Tcp(("", port), Handler),
        "https": lambda port: secured(Tcp(("", port), Handler)),
        "udp": lambda port: socketserver.UDPServer(("", port), Datagrams),
    }
    for word in words:
        kind, _, ports = word.partition("=")
        for port in ports.split(","):
            threading.Thread(target=makers[kind](int(port)).serve_forever, args=(0.05,), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
