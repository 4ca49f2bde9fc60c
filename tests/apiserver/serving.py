"""A real API server on 127.0.0.1 with real TLS, and clients of it: httpx, raw connections, kubectl."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from podling.apiserver.config import Config
from podling.apiserver.server import ApiServer
from podling.env import Env, SystemEnv
from podling.pki.ca import CertificateAuthority, KeyPair, new_signing_key
from podling.pki.kubeconfig import cluster_config
from podling.storage.interface import Storage
from podling.storage.memory import MemoryStorage

KUBECTL = Path(sys.executable).with_name("kubectl")
DEFAULT = "/api/v1/namespaces/default"
Json = dict[str, Any]


@dataclass
class Api:
    """A running server and an administrator's client of it."""

    server: ApiServer
    http: httpx.AsyncClient
    authority: CertificateAuthority
    folder: Path

    @property
    def url(self) -> str:
        host, port = self.server.addresses[0]
        return f"https://{host}:{port}"

    async def get(self, path: str, accept: str = "application/json", **query: str) -> httpx.Response:
        return await self.http.get(path, params=query, headers={"accept": accept})

    async def make(self, path: str, body: Json, **query: str) -> Json:
        """POST that has to succeed."""
        answer = await self.http.post(path, json=body, params=query)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    async def config_map(self, name: str, namespace: str = "default", **metadata: Any) -> Json:
        body = {"metadata": {"name": name, **metadata}, "data": {"key": "value"}}
        return await self.make(f"/api/v1/namespaces/{namespace}/configmaps", body)

    async def pod(self, name: str, node: str = "", **metadata: Any) -> Json:
        spec = {"containers": [{"name": "main", "image": "x"}]} | ({"nodeName": node} if node else {})
        return await self.make(f"{DEFAULT}/pods", {"metadata": {"name": name, **metadata}, "spec": spec})

    async def account(self, name: str = "default") -> Json:
        return await self.make(f"{DEFAULT}/serviceaccounts", {"metadata": {"name": name}})

    async def patch(self, path: str, body: Any, kind: str = "merge-patch+json", **query: str) -> httpx.Response:
        headers = {"content-type": f"application/{kind}"}
        return await self.http.patch(path, content=json.dumps(body), headers=headers, params=query)

    @asynccontextmanager
    async def watching(
        self, path: str, accept: str = "application/json", **query: str
    ) -> AsyncIterator[AsyncIterator[Json]]:
        """The events of a watch as they come."""
        params = {"watch": "true", **query}
        async with self.http.stream("GET", path, params=params, headers={"accept": accept}, timeout=10) as answer:
            assert answer.status_code == 200, await answer.aread()
            yield (json.loads(line) async for line in answer.aiter_lines())

    def context(self, client: KeyPair | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.authority.pair.certificate.decode())
        if client is not None:
            path = self.folder / "client.pem"
            path.write_bytes(client.certificate + client.key)
            context.load_cert_chain(path)
        return context

    def client(self, pair: KeyPair | None = None, token: str = "") -> httpx.AsyncClient:
        """Another user's client; without anything an anonymous one."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(base_url=self.url, verify=self.context(pair), headers=headers)

    def admin(self) -> KeyPair:
        return self.authority.client("kubernetes-admin", ["system:masters"], SystemEnv().now())

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self.server.addresses[0]
        return await asyncio.open_connection(host, port, ssl=self.context(self.admin()))

    async def kubectl(self, *words: str, stdin: str = "") -> Done:
        config = self.folder / "kubeconfig"
        if not config.exists():
            made = cluster_config("test", self.url, self.authority.pair.certificate, self.admin())
            config.write_text(json.dumps(made))
        env = {**os.environ, "KUBECONFIG": str(config), "HOME": str(self.folder)}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(KUBECTL, *words, stdin=pipe, stdout=pipe, stderr=pipe, env=env)
        async with asyncio.timeout(30):
            out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())


@dataclass
class Done:
    code: int
    out: str
    err: str


@asynccontextmanager
async def serving(
    storage: Storage | None = None, env: Env | None = None, dialer: Any = None, **config: Any
) -> AsyncIterator[Api]:
    env = env or SystemEnv()
    authority = CertificateAuthority.create("test", SystemEnv().now())
    pair = authority.serving("podling", ["127.0.0.1", "localhost", "podling"], SystemEnv().now())
    settings: Mapping[str, Any] = {
        "tcp": (("127.0.0.1", 0),),
        "certificate": pair.certificate,
        "key": pair.key,
        "ca": authority.pair.certificate,
        "token_key": new_signing_key(),
        **config,
    }
    server = ApiServer(Config(**settings), storage or MemoryStorage(), env, dialer or NoNodes())
    await server.start()
    with tempfile.TemporaryDirectory() as folder:
        api = Api(server, httpx.AsyncClient(), authority, Path(folder))
        try:
            async with httpx.AsyncClient(base_url=api.url, verify=api.context(api.admin())) as client:
                api.http = client
                yield api
        finally:
            await server.stop()


class NoNodes:
    """A Dialer of a cluster without nodes."""

    async def connect(self, node: str, address: str, port: int) -> Any:
        raise OSError("there is no node")

    async def stream(self, node: str, request: Mapping[str, Any]) -> Any:
        raise OSError("there is no node")


async def take(events: AsyncIterator[Json], count: int) -> Sequence[Json]:
    """The next so many events."""
    async with asyncio.timeout(5):
        return [await anext(events) for _ in range(count)]


def names(listing: Json) -> list[str]:
    return [item["metadata"]["name"] for item in listing["items"]]
