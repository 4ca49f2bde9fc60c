"""The application go-demo-2 of the book's chapter, in Python: a greeting, people in a database, an error now and then.

It ends when its database does not answer within ten seconds of its start (the book's point: the Pod restarts until
the database is there), and it ends in order when it is asked to (SIGTERM): it takes no more connections, finishes the
requests it has, and exits with 0.

Environment: DB, the host of the database (default localhost); SERVICE_NAME, the label of its metrics.
"""

import os
import random
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from pymongo import MongoClient
from pymongo.errors import PyMongoError

PORT = 8080
PATIENCE_SECONDS = 10
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SERVICE = os.environ.get("SERVICE_NAME", "go-demo-2")


class Metrics:
    """The histogram http_server_resp_time, in Prometheus' text format."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: dict[tuple[int, str, str], tuple[list[int], float]] = {}

    def observe(self, code: int, method: str, path: str, seconds: float) -> None:
        with self._lock:
            counts, total = self._series.get((code, method, path), ([0] * (len(BUCKETS) + 1), 0.0))
            for index, bound in enumerate(BUCKETS):
                counts[index] += seconds <= bound
            counts[-1] += 1
            self._series[code, method, path] = (counts, total + seconds)

    def text(self) -> str:
        name = "http_server_resp_time"
        lines = [f"# HELP {name} Http response time", f"# TYPE {name} histogram"]
        with self._lock:
            for (code, method, path), (counts, total) in sorted(self._series.items()):
                labels = f'service="{SERVICE}",code="{code}",method="{method}",path="{path}"'
                for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                    lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {count}')
                lines += [f"{name}_sum{{{labels}}} {total:.6f}", f"{name}_count{{{labels}}} {counts[-1]}"]
        return "\n".join(lines) + "\n"


class Server(ThreadingHTTPServer):
    """Waits for the requests it is answering when it is closed."""

    daemon_threads = False
    request_queue_size = 256

    def __init__(self, people) -> None:
        super().__init__(("", PORT), Handler)
        self.people = people
        self.metrics = Metrics()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5  # an idle connection is closed, so that SIGTERM never waits long
    server: Server

    def do_GET(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        started = time.monotonic()
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        try:
            code, text = self._route(url.path, query)
        except (PyMongoError, ValueError) as error:
            code, text = 500, f"{error}\n"
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if url.path != "/metrics":
            self.server.metrics.observe(code, self.command, url.path, time.monotonic() - started)

    def _route(self, path: str, query: dict[str, str]) -> tuple[int, str]:
        match self.command, path:
            case "GET", "/demo/hello":
                time.sleep(int(query.get("delay", "0")) / 1000)
                return 200, "hello, world!\n"
            case "PUT", "/demo/person" if query.get("name"):
                self.server.people.update_one({"_id": query["name"]}, {"$set": {"name": query["name"]}}, upsert=True)
                return 200, ""
            case "GET", "/demo/person":
                return 200, "\n".join(person["name"] for person in self.server.people.find()) + "\n"
            case "GET", "/demo/random-error":
                return (500, "Something, somewhere, went wrong!\n") if random.randrange(10) == 0 else (200, "Good\n")
            case "GET", "/metrics":
                return 200, self.server.metrics.text()
            case _:
                return 404, "404 page not found\n"

    def log_message(self, format: str, *args: object) -> None:
        """Requests are counted in /metrics, not printed."""


def connect(host: str):
    """The collection of people, once the database answers; PyMongoError after ten seconds without an answer."""
    client = MongoClient(host, 27017, serverSelectionTimeoutMS=PATIENCE_SECONDS * 1000, connectTimeoutMS=2000)
    client.admin.command("ping")
    return client["test"]["people"]


def main() -> int:
    host = os.environ.get("DB") or "localhost"
    print(f"connecting to the database at {host}:27017", flush=True)
    try:
        people = connect(host)
    except PyMongoError as error:
        print(f"panic: no database: {error}", file=sys.stderr, flush=True)
        return 2
    server = Server(people)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listening on :{PORT}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
