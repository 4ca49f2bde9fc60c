"""Registries on this machine: one that asks for a token, and two that want a login first."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

from podling.runtime.images.registry import this_architecture
from tests.runtime.imagefiles import config_of, digest


class Registry(http.server.BaseHTTPRequestHandler):
    """A registry that asks for a token and serves what `content` holds."""

    content: dict[str, tuple[str, bytes]]

    def do_GET(self) -> None:
        if self.path.startswith("/token"):
            self._answer(200, "application/json", b'{"token":"secret"}')
        elif self.headers.get("Authorization") != "Bearer secret":
            realm = f'Bearer realm="http://{self.headers["Host"]}/token",service="test",scope="repository:a/b:pull"'
            self._answer(401, "text/plain", b"", {"WWW-Authenticate": realm})
        elif self.path in self.content:
            self._answer(200, *self.content[self.path])
        else:
            self._answer(404, "text/plain", b"")

    def _answer(self, code: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...


@contextlib.contextmanager
def registry(content: dict[str, tuple[str, bytes]], kind: type[Registry] = Registry) -> Iterator[str]:
    handler = type("Handler", (kind,), {"content": content})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def published(*layers: bytes) -> dict[str, tuple[str, bytes]]:
    """An index, of which one entry is for this machine."""
    config, blobs = config_of(*layers), [gzip.compress(tar) for tar in layers]
    manifest = json.dumps(
        {"config": {"digest": digest(config)}, "layers": [{"digest": digest(blob)} for blob in blobs]}
    ).encode()
    platforms = [("s390x", digest(b"other")), (this_architecture(), digest(manifest))]
    index = json.dumps(
        {"manifests": [{"digest": d, "platform": {"os": "linux", "architecture": a}} for a, d in platforms]}
    ).encode()
    base = "/v2/a/b"
    return {
        f"{base}/manifests/1": ("application/vnd.oci.image.index.v1+json", index),
        f"{base}/manifests/{digest(manifest)}": ("application/vnd.oci.image.manifest.v1+json", manifest),
        f"{base}/blobs/{digest(config)}": ("application/octet-stream", config),
        **{f"{base}/blobs/{digest(blob)}": ("application/octet-stream", blob) for blob in blobs},
    }


class Private(Registry):
    """The same for `me` alone, who shows a password for the token, or (`basic`) with every request."""

    basic = False

    def do_GET(self) -> None:
        mine = "Basic " + base64.b64encode(b"me:secret").decode()
        shown = self.headers.get("Authorization", "")
        if self.basic and shown != mine:
            self._answer(401, "text/plain", b"", {"WWW-Authenticate": 'Basic realm="here"'})
        elif self.path.startswith("/token") and shown != mine:
            self._answer(401, "text/plain", b"")
        else:
            if self.basic:
                self.headers.replace_header("Authorization", "Bearer secret")
            super().do_GET()


class Basic(Private):
    basic = True
