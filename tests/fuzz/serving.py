"""The server that is fuzzed, and what no answer may be: a 500, a hang, an error that is no Status."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from podling.apiserver.config import Config
from podling.apiserver.endpoints import revisions
from podling.apiserver.http import _parsed
from podling.apiserver.message import Outcome, Request, Response, Stream, Upgrade, User
from podling.apiserver.server import ApiServer
from podling.apiserver.streams.table import STREAMS
from podling.env import SystemEnv
from podling.network.unixdialer import RefusingDialer
from podling.pki.ca import new_signing_key
from podling.storage.memory import MemoryStorage
from tests.fuzz.customized import DEFINITION
from tests.fuzz.generating import BUILT_IN, CUSTOM, Sent, example

ADMIN = User("fuzz", ("system:masters", "system:authenticated"))
PATIENCE = 20.0
GLANCE = 0.002
"""Seconds that a watch is looked at."""
PLAIN = ("/healthz", "/livez", "/readyz", "/metrics")


# Who asks for a revision that is not here yet waits for it; that nobody waits for ever is what matters here.
revisions.WAIT_SECONDS = 0.02


class Fuzzed:
    """A server in this process, without a socket; requests pass all filters."""

    def __init__(self) -> None:
        config = Config(token_key=new_signing_key(), profile="book")
        self.server = ApiServer(config, MemoryStorage(), SystemEnv(), RefusingDialer("fuzzed"), streams=STREAMS)
        self.sent = 0
        self.codes: dict[int, int] = {}

    async def start(self) -> None:
        await self.server.start()
        account = {"metadata": {"name": "default"}}
        await self._make("/api/v1/namespaces/default/serviceaccounts", account)
        await self._make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION)
        gadgets = Sent("GET", "/apis/fuzz.example.com/v1/gadgets", (), b"")
        async with asyncio.timeout(PATIENCE):
            while (await self.ask(gadgets))[0] != 200:
                await asyncio.sleep(0.01)
        for entry in [*BUILT_IN, *CUSTOM]:
            # One of each to be read, patched and deleted; where an example is not enough there is none.
            body = example(entry)
            body["metadata"].pop("namespace", None)
            start = f"/apis/{entry.group}/{entry.version}" if entry.group else f"/api/{entry.version}"
            await self._make(f"{start}{'/namespaces/default' if entry.namespaced else ''}/{entry.plural}", body)

    async def _make(self, path: str, body: dict[str, Any]) -> None:
        await self.ask(Sent("POST", path, (("content-type", "application/json"),), json.dumps(body).encode()))

    async def stop(self) -> None:
        await self.server.stop()

    async def all(self, batch: Sequence[Sent]) -> list[str]:
        """Sends them at once; what is wrong with the answers. Raises TimeoutError for one that does not come."""
        async with asyncio.timeout(PATIENCE):
            answers = await asyncio.gather(*map(self.ask, batch))
        for code, _ in answers:
            self.sent += 1
            self.codes[code] = self.codes.get(code, 0) + 1
        found = [wrong(sent, *answer) for sent, answer in zip(batch, answers, strict=True)]
        return [each for each in found if each]

    async def ask(self, sent: Sent) -> tuple[int, bytes]:
        path, query, raw = _parsed.__wrapped__(sent.target.encode("latin-1", "replace"))
        headers = {key: value for key, value in sent.headers if value or key != "content-type"}
        user = None if "authorization" in headers else ADMIN
        request = Request(sent.method, path, query, headers, sent.body, certificate_user=user, raw_target=raw)
        return await answered(await self.server.handle(request))


async def answered(outcome: Outcome) -> tuple[int, bytes]:
    """(status, body); of what flows, as much as comes at once."""
    if isinstance(outcome, Upgrade):
        return 101, b""
    if isinstance(outcome, Response):
        return outcome.status, outcome.body if isinstance(outcome.body, bytes) else b"".join(outcome.body)
    sink = Collected()
    assert isinstance(outcome, Stream)
    task: asyncio.Future[Any] = asyncio.ensure_future(outcome.run(sink))
    done, _ = await asyncio.wait({task}, timeout=GLANCE)
    if done:
        task.result()
    else:
        task.cancel()
        await asyncio.wait({task})
    return outcome.status, bytes(sink.data)


def wrong(sent: Sent, code: int, body: bytes) -> str:
    """Why this must not be the answer; empty where it may."""
    if code == 500:
        return f"{body.decode(errors='replace')}\n  to {sent}"
    if code < 400 or sent.target.startswith(PLAIN) or sent.method == "HEAD":
        return ""
    if body.startswith(b"k8s\0"):
        return "" if b"\x06Status\x12" in body else f"{code} {body!r} is no Status\n  to {sent}"
    try:
        status = json.loads(body)
        said = (status["kind"], status["status"], status["code"], bool(status["message"]), bool(status["reason"]))
    except (ValueError, KeyError, TypeError):
        said = ()
    return "" if said == ("Status", "Failure", code, True, True) else f"{code} {body!r} is no Status\n  to {sent}"


class Collected:
    def __init__(self) -> None:
        self.data = bytearray()

    async def write(self, data: bytes, patience: float | None = None) -> None:
        if len(self.data) < 1 << 20:
            self.data += data

    @property
    def backlog(self) -> int:
        return 0
