"""Webhooks for conformance tests: one HTTPS server on 127.0.0.1 in a thread, and configurations that ask it."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from podling.env import SystemEnv
from podling.pki.ca import CertificateAuthority
from tests.conformance.kube import Json, Kube

GROUP = "admissionregistration.k8s.io/v1"
Judge = Callable[[Json], Json]
"""An AdmissionRequest to what the response says beside its uid."""


class Hooks:
    """`judges` by path; each path is one webhook."""

    def __init__(self, port: int, authority: CertificateAuthority) -> None:
        self.port, self._authority = port, authority
        self.judges: dict[str, Judge] = {}

    def config(self, path: str) -> Json:
        bundle = base64.b64encode(self._authority.pair.certificate).decode()
        return {"url": f"https://127.0.0.1:{self.port}{path}", "caBundle": bundle}

    def webhook(self, path: str, namespace: str, judge: Judge, *rules: Json, **more: Any) -> Json:
        """One for a configuration, for writes in one namespace; without rules for new ConfigMaps."""
        self.judges[path] = judge
        return {
            "name": f"{path.strip('/')}.example.com",
            "clientConfig": self.config(path),
            "rules": [*rules] or [rule("configmaps")],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1", "v1beta1"],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            **more,
        }


def rule(*resources: str, group: str = "", version: str = "v1", operations: tuple[str, ...] = ("CREATE",)) -> Json:
    return {"apiGroups": [group], "apiVersions": [version], "resources": [*resources], "operations": [*operations]}


@contextmanager
def hooking() -> Iterator[Hooks]:
    now = SystemEnv().now()
    authority = CertificateAuthority.create("conformance-hooks", now)
    pair = authority.serving("hooks", ["127.0.0.1"], now)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with NamedTemporaryFile() as file:
        Path(file.name).write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(file.name)
    hooks: list[Hooks] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["content-length"])))
            response = hooks[0].judges[self.path.partition("?")[0]](review["request"])
            answer = {
                "apiVersion": review["apiVersion"],
                "kind": "AdmissionReview",
                "response": {"uid": review["request"]["uid"], **response},
            }
            data = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that went away is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    hooks.append(Hooks(server.server_address[1], authority))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hooks[0]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def configured(kube: Kube, kind: str, name: str, *webhooks: Json) -> Iterator[None]:
    """`kind`: mutating or validating."""
    configurations = kube.at(f"{GROUP}/{kind}webhookconfigurations")
    configurations.create({"metadata": {"name": name}, "webhooks": [*webhooks]})
    try:
        yield
    finally:
        configurations.delete(name)


def allowed(request: Json) -> Json:
    return {"allowed": True}


def denied(why: str) -> Judge:
    return lambda request: {"allowed": False, "status": {"message": why}}


def unwanted(why: str, condition: Callable[[Json], Any]) -> Judge:
    """Denies objects (or, where they go, old ones) for which the condition holds."""
    return lambda request: denied(why)(request) if condition(request["object"] or request["oldObject"]) else allowed({})


def adding(key: str, value: str, after: str = "") -> Judge:
    """Adds to `data`; `after`: only where that key is there already."""

    def judge(request: Json) -> Json:
        if after and after not in (request["object"].get("data") or {}):
            return allowed(request)
        return patching({"op": "add", "path": f"/data/{key}", "value": value})

    return judge


def patching(*operations: Json) -> Json:
    patch = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": patch}
