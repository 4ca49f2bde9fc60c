"""A guestbook in three parts, each of which is this text with another word: primary, replica, frontend.

The primary takes entries and hands them to the replicas that have registered with it; a replica tells what it was
handed; the frontend writes to the Service of the primary and reads from the Service of the replicas.
Runs in Pods by this machine's own Python, so it may import nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from urllib.parse import parse_qsl, quote, urlsplit
from urllib.request import urlopen

PORT = 8080
entries: dict[str, str] = {}
replicas: list[str] = []


def fetched(host: str, path: str) -> str:
    with urlopen(f"http://{host}/{path}", timeout=3) as answer:
        return str(answer.read().decode())


def primary(path: str, query: dict[str, str], client: str) -> str:
    if path == "/register":
        replicas.append(client)
        return json.dumps(entries)
    if path == "/set":
        entries[query["key"]] = query["value"]
        for replica in replicas:
            fetched(f"{replica}:{PORT}", f"set?key={quote(query['key'])}&value={quote(query['value'])}")
        return "taken"
    return "primary"


def replica(path: str, query: dict[str, str], client: str) -> str:
    if path == "/set":
        entries[query["key"]] = query["value"]
    return entries.get(query.get("key", ""), "")


def frontend(path: str, query: dict[str, str], client: str) -> str:
    if path == "/set":
        return fetched("agnhost-primary", f"set?key={quote(query['key'])}&value={quote(query['value'])}")
    if path == "/get":
        return fetched("agnhost-replica", f"get?key={quote(query['key'])}")
    return "<h1>Guestbook</h1>"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        try:
            text, code = PARTS[sys.argv[1]](parts.path, dict(parse_qsl(parts.query)), self.client_address[0]), 200
        except OSError as error:
            text, code = str(error), 502
        self.send_response(code)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


PARTS = {"primary": primary, "replica": replica, "frontend": frontend}


def register() -> None:
    """Until the primary is there; what was written before comes with its answer."""
    while True:
        try:
            entries.update(json.loads(fetched("agnhost-primary", "register")))
            return
        except OSError:
            time.sleep(0.05)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = ThreadingTCPServer(("", PORT), Handler)
    if sys.argv[1] == "replica":
        threading.Thread(target=register, daemon=True).start()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    threading.Event().wait()
