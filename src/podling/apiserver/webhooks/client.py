"""One question to a webhook over HTTPS: a `clientConfig`, a body, an answer.

Admission, conversion and whoever else asks share it and its connections. The wording of failures is that of Go's
client with upstream's around it (`Post "https://…": context deadline exceeded`), for users search the web by it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import posixpath
import ssl
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from podling.api.errors import ServiceUnavailable
from podling.apiserver.webhooks.reach import Reach, Unreachable, direct, reason
from podling.client.http1 import CHUNK, Connection, ResponseHead, Stale, request_bytes
from podling.env import Env
from podling.network.dialer import Dialer
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]
LONGEST_ANSWER = 16 << 20
KEPT_SECONDS = 60.0
KEPT_EACH = 8
MOST_KEPT = 64
_REASONS = {
    10: "certificate has expired or is not yet valid",
    9: "certificate has expired or is not yet valid",
    62: "certificate is not valid for any names, but wanted to match {name}",
    64: "cannot validate certificate for {name} because it doesn't contain any IP SANs",
}


class WebhookError(Exception):
    """Nobody answered, or not as a webhook does. `message` begins with `Post "https://…": ` where it was sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Goal(NamedTuple):
    """Where a clientConfig leads; equal goals share connections."""

    namespace: str
    service: str
    host: str
    """The server's name: for a Service `<name>.<namespace>.svc`."""
    port: int
    authority: str


class WebhookClient:
    """Keeps idle connections; `close` ends them."""

    def __init__(self, cache: WatchCache, env: Env, dialer: Dialer) -> None:
        self._reach, self._env = Reach(cache, env, dialer), env
        self._idle: dict[Goal, list[tuple[float, Connection]]] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def call(self, client_config: Mapping[str, Any], timeout_seconds: float, body: bytes) -> bytes:
        """POST `body` (JSON) to `client_config` (`url`, or `service` with namespace, name, path, port; and
        `caBundle`) and give the answer's body. Raises WebhookError."""
        goal, path = goal_of(client_config)
        port = f":{goal.port}" if goal.service or goal.port != 443 else ""
        path += f"{'&' if '?' in path else '?'}timeout={_duration(timeout_seconds)}"
        where = f'Post "https://{goal.host}{port}{path}": '
        headers = (
            ("Host", f"{goal.host}{port}"),
            ("User-Agent", "kube-apiserver-admission"),
            ("Accept", "application/json, */*"),
            ("Content-Type", "application/json"),
        )
        try:
            async with asyncio.timeout(timeout_seconds):
                head, answer = await self._exchange(goal, request_bytes("POST", path, headers, body))
        except TimeoutError:
            raise WebhookError(f"{where}context deadline exceeded") from None
        except (Unreachable, ServiceUnavailable) as error:
            raise WebhookError(f"{where}{error}") from error
        if not 200 <= head.status < 300:
            raise WebhookError(refusal(head.status, answer))
        return answer

    def close(self) -> None:
        for kept in self._idle.values():
            for _, connection in kept:
                connection.close()
        self._idle.clear()
        self._contexts.clear()

    async def _exchange(self, goal: Goal, request: bytes) -> tuple[ResponseHead, bytes]:
        while True:
            connection = self._take(goal) or await self._connect(goal)
            try:
                await connection.send(request)
                head, answer = await connection.head(), b""
                async with aclosing(connection.body()) as pieces:
                    async for piece in pieces:
                        answer += piece
                        if len(answer) > LONGEST_ANSWER:
                            raise ServiceUnavailable("http: request body too large")
            except Stale:  # closed while it was kept: nothing of the question was read
                connection.close()
            except BaseException:
                connection.close()
                raise
            else:
                self._keep(goal, connection)
                return head, answer

    async def _connect(self, goal: Goal) -> Connection:
        context = self._context(goal.authority)
        if goal.service:
            sock = await self._reach.service(goal.namespace, goal.service, goal.port)
        else:
            sock = await direct(goal.host.strip("[]"), goal.port)
        try:
            streams = await asyncio.open_connection(
                sock=sock, ssl=context, server_hostname=goal.host.strip("[]"), limit=CHUNK
            )
        except BaseException as error:
            sock.close()
            if isinstance(error, ssl.SSLCertVerificationError):
                raise Unreachable(distrust(error, goal.host)) from error
            if isinstance(error, OSError):
                raise Unreachable("EOF" if isinstance(error, ConnectionError) else reason(error)) from error
            raise
        return Connection(*streams)

    def _context(self, authority: str) -> ssl.SSLContext:
        """Made once a bundle: reading the machine's roots takes longer than a question."""
        found = self._contexts.get(authority)
        if found is None:
            found = self._contexts[authority] = context_of(authority)
        return found

    def _take(self, goal: Goal) -> Connection | None:
        kept = self._idle.get(goal, [])
        while kept:
            since, connection = kept.pop()
            if connection.reusable and self._env.monotonic() - since < KEPT_SECONDS:
                return connection
            connection.close()
        return None

    def _keep(self, goal: Goal, connection: Connection) -> None:
        if goal not in self._idle and len(self._idle) >= MOST_KEPT:
            self.close()
        kept = self._idle.setdefault(goal, [])
        if connection.reusable and len(kept) < KEPT_EACH:
            kept.append((self._env.monotonic(), connection))
        else:
            connection.close()


def goal_of(config: Mapping[str, Any]) -> tuple[Goal, str]:
    """And the path with its query. Raises WebhookError."""
    authority = config.get("caBundle") or ""
    if service := config.get("service"):
        namespace, name = service.get("namespace") or "", service.get("name") or ""
        goal = Goal(namespace, name, f"{name}.{namespace}.svc", service.get("port") or 443, authority)
        return goal, _clean(service.get("path") or "/")
    url = config.get("url") or ""
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError as error:
        raise WebhookError(f'Unable to parse webhook URL "{url}": {error}') from None
    if parts.scheme != "https" or not parts.hostname:
        raise WebhookError("webhook configuration must have either service or URL")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Goal("", "", host, port, authority), _clean(parts.path) + (f"?{parts.query}" if parts.query else "")


def _clean(path: str) -> str:
    """As Go joins paths: envtest makes `https://127.0.0.1:1234//validate`, and Go's servers redirect that."""
    return posixpath.normpath(f"/{path.lstrip('/')}")


def context_of(authority: str) -> ssl.SSLContext:
    """`authority`: a caBundle, base64 of PEM; the machine's roots where empty. Raises Unreachable."""
    try:
        pem = base64.b64decode(authority).decode("ascii")
        context = ssl.create_default_context(cadata=pem or None)
    except (binascii.Error, UnicodeDecodeError, ssl.SSLError, ValueError):
        raise Unreachable("unable to load root certificates: unable to parse bytes as PEM block") from None
    # As Go: anything in the bundle is trusted as a root, alternative names count and common names do not.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.hostname_checks_common_name = False
    return context


def refusal(status: int, body: bytes) -> str:
    """What upstream's client says of an answer that is an error."""
    try:
        said = msgspec.json.decode(body)
        if isinstance(said, dict) and said.get("kind") == "Status" and said.get("message"):
            return str(said["message"])
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    if status == 404:
        return "the server could not find the requested resource"
    text = body[:2048].decode("utf-8", "replace").strip() or "unknown"
    if status >= 500:
        quoted = msgspec.json.encode(text).decode()
        return f"an error on the server ({quoted}) has prevented the request from succeeding"
    if status == 400:
        return "the server rejected our request for an unknown reason"
    if status in (401, 403):
        said = "the server has asked for the client to provide credentials"
        return said if status == 401 else text
    return f"the server responded with the status code {status} but did not return more information"


def distrust(error: ssl.SSLCertVerificationError, name: str) -> str:
    why = _REASONS.get(error.verify_code, "certificate signed by unknown authority").format(name=name)
    return f"tls: failed to verify certificate: x509: {why}"


def _duration(seconds: float) -> str:
    whole = f"{seconds:g}"
    return f"{whole}s"
