"""`etcd` as envtest starts it: it answers /health, and tells our kube-apiserver where its data lies.

There is no etcd in it: no keys, no gRPC. Objects are kept by the kube-apiserver in a file below `--data-dir`, so they
live as long as that folder and outlive a restart of the API server, as with etcd. It imports next to nothing, because
every run of a Go test suite waits for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence

from podling.envtest.flags import Flag, FlagError, Given, parse, usage

DATA_PATH = "/podling/data"
"""Where our kube-apiserver asks for `{"dataDir": …, "fsync": …}`."""
ABOUT = "Podling's stand-in for etcd, for envtest: it answers /health; the kube-apiserver beside it keeps its data here"
FLAGS = (
    Flag("help", "this text", ""),
    Flag("version", "print the version", ""),
    Flag("listen-client-urls", "where /health is answered; one http URL", "strings"),
    Flag("data-dir", "the folder of the data"),
    Flag("unsafe-no-fsync", "do not wait for the disk: quick, and safe unless the machine fails", ""),
    *(
        Flag(name, "accepted: there is one member and nobody else asks", "strings", acts=False)
        for name in (
            "advertise-client-urls",
            "auto-compaction-mode",
            "auto-compaction-retention",
            "election-timeout",
            "enable-v2",
            "heartbeat-interval",
            "initial-advertise-peer-urls",
            "initial-cluster",
            "initial-cluster-state",
            "initial-cluster-token",
            "listen-metrics-urls",
            "listen-peer-urls",
            "log-level",
            "log-outputs",
            "logger",
            "max-request-bytes",
            "max-snapshots",
            "max-txn-ops",
            "max-wals",
            "name",
            "quota-backend-bytes",
            "snapshot-count",
        )
    ),
)
QUIET = frozenset({"--advertise-client-urls", "--listen-peer-urls", "--name", "--logger", "--log-level"})
"""What every envtest passes need not be told each time."""
LONGEST_REQUEST = 8192
PATIENCE = 5.0

Answers = Mapping[str, Mapping[str, object]]
"""By path."""


def main(arguments: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        given = parse(words, FLAGS)
        if given.on("help"):
            sys.stdout.write(usage("etcd", ABOUT, FLAGS))
            return 0
        if given.on("version"):
            print("etcd Version: 3.6.5 (Podling's stand-in)")
            return 0
        for flag in (each for each in given.without_effect if each not in QUIET):
            print(f"etcd: {flag} has no effect here", file=sys.stderr)
        host, port = address(given)
        folder = os.path.abspath(given.get("data-dir", "default.etcd"))
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))
        _serve(host, port, {"dataDir": folder, "fsync": not given.on("unsafe-no-fsync")})
    except FlagError as error:
        print(f"Error: {error}\nSee 'etcd --help'.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def address(given: Given) -> tuple[str, int]:
    """Host and port of the client URL. Raises FlagError."""
    urls = given.listed("listen-client-urls") or ("http://localhost:2379",)
    scheme, _, rest = urls[0].partition("://")
    host, _, port = rest.rstrip("/").rpartition(":")
    if scheme != "http" or not port.isdecimal():
        raise FlagError(f"--listen-client-urls has to be http://HOST:PORT here, not {urls[0]}")
    return host.strip("[]"), int(port)


def _serve(host: str, port: int, data: Mapping[str, object]) -> None:
    """Until SIGTERM; a thread for each connection, which has one request."""
    answers: Answers = {
        "/health": {"health": "true", "reason": ""},
        "/version": {"etcdserver": "3.6.5", "etcdcluster": "3.6.0", "storage": "podling"},
        DATA_PATH: data,
    }
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_answer, args=(connection, answers), daemon=True).start()


def _answer(connection: socket.socket, answers: Answers) -> None:
    with contextlib.suppress(OSError), connection:
        connection.settimeout(PATIENCE)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < LONGEST_REQUEST:
            piece = connection.recv(LONGEST_REQUEST)
            if not piece:
                return
            head += piece
        path = [*head.decode("latin-1").split(" ", 2), "", ""][1].partition("?")[0]
        found = answers.get(path, {"error": f"{path}: this is no etcd, but Podling's stand-in"})
        status = "200 OK" if path in answers else "404 Not Found"
        body = json.dumps(found)
        fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
        connection.sendall(f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n{body}".encode())


if __name__ == "__main__":
    sys.exit(main())
