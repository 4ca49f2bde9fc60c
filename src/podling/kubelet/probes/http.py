"""httpGet: an answer from 200 to 399 is good.

A connection of its own for each question, as upstream's prober does it: a kept-alive one would not notice a process
that no longer accepts. Redirects to the same host are followed, certificates are not checked. (Kubernetes
documentation, "Configure Liveness, Readiness and Startup Probes".)
"""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from typing import Any
from urllib.parse import urljoin, urlsplit

import httptools
import msgspec

from podling.kubelet.probes.types import SUCCESS, Outcome, ProbeType, Target, dial_error, port_of

MOST_REDIRECTS = 10
MOST_HEAD = 64 << 10
AGENT = "kube-probe/1.37"


class _Question(msgspec.Struct, frozen=True):
    scheme: str
    host: str
    port: int
    path: str
    headers: tuple[tuple[str, str], ...]
    agent: str = AGENT

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}{self.path}"

    def encode(self) -> bytes:
        given = {name.lower() for name, _ in self.headers}
        host = self.host if self.port == (443 if self.scheme == "https" else 80) else f"{self.host}:{self.port}"
        lines = [f"GET {self.path} HTTP/1.1"]
        if "host" not in given:
            lines.append(f"Host: {host}")
        own = {"User-Agent": self.agent, "Accept": "*/*"}
        lines += [f"{name}: {value}" for name, value in own.items() if name.lower() not in given]
        lines += [f"{name}: {value}" for name, value in self.headers if value or name.lower() != "accept"]
        return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode("latin-1", "replace")


class _Head:
    """What httptools tells of an answer: its status and where it redirects to."""

    def __init__(self) -> None:
        self.location = ""
        self.done = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"location":
            self.location = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.done = True


class _HttpProbe:
    source = "http_get"

    async def ask(self, action: Any, target: Target, timeout: float) -> Outcome:
        answer = await answered(action, target, timeout, AGENT)
        if isinstance(answer, Outcome):
            return answer
        if 200 <= answer < 400:
            return SUCCESS
        return Outcome("failure", f"HTTP probe failed with statuscode: {answer}")


async def answered(action: Any, target: Target, timeout: float, agent: str) -> int | Outcome:
    """The status of the last answer to an httpGet within `timeout` seconds, or why there is none."""
    try:
        port = port_of(action.port, target.container)
    except ValueError as error:
        return Outcome("unknown", str(error))
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    headers = tuple((header.name, header.value) for header in action.http_headers)
    scheme = (action.scheme or "HTTP").lower()
    question = _Question(scheme, action.host or target.pod_ip, port, path, headers, agent)
    try:
        async with asyncio.timeout(timeout):
            return await _follow(question)
    except TimeoutError:
        why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return Outcome("failure", f'Get "{question.url}": {why}')


async def _follow(question: _Question) -> int | Outcome:
    for _ in range(MOST_REDIRECTS):
        try:
            status, location = await _exchange(question)
        except httptools.HttpParserError as error:
            return Outcome("failure", f'Get "{question.url}": malformed HTTP response: {error}')
        except EOFError:
            return Outcome("failure", f'Get "{question.url}": EOF')
        except OSError as error:
            return Outcome("failure", f'Get "{question.url}": {dial_error(question.host, question.port, error)}')
        onward = _redirected(question, location) if 300 < status < 400 and location else None
        if onward is None:
            return status
        question = onward
    return Outcome("failure", f'Get "{question.url}": stopped after {MOST_REDIRECTS} redirects')


def _redirected(question: _Question, location: str) -> _Question | None:
    """The next question, or None where the way leads to another host (which counts as good)."""
    target = urlsplit(urljoin(question.url, location))
    if target.hostname != question.host or target.scheme not in ("http", "https"):
        return None
    port = target.port or (443 if target.scheme == "https" else 80)
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    return msgspec.structs.replace(question, scheme=target.scheme, port=port, path=path)


async def _exchange(question: _Question) -> tuple[int, str]:
    """Status and Location. Raises OSError, EOFError or HttpParserError."""
    secure = _unchecked() if question.scheme == "https" else None
    reader, writer = await asyncio.open_connection(question.host, question.port, ssl=secure)
    try:
        writer.write(question.encode())
        head = _Head()
        parser = httptools.HttpResponseParser(head)
        received = 0
        while not head.done:
            data = await reader.read(16 << 10)
            if not data:
                raise EOFError
            received += len(data)
            if received > MOST_HEAD:
                raise httptools.HttpParserError("headers are too long")
            parser.feed_data(data)
        return parser.get_status_code(), head.location
    finally:
        writer.transport.abort()


@cache
def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


PROBE: ProbeType = _HttpProbe()
