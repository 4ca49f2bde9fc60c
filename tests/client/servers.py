"""A real API server for tests of clients: memory store, in-process or behind TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from podling.apiserver.config import AuthorizationMode, Config
from podling.apiserver.server import ApiServer
from podling.client.http1 import Address
from podling.client.https import HttpsTransport, client_context
from podling.env import Env, SystemEnv
from podling.network.unixdialer import RefusingDialer
from podling.pki.ca import CertificateAuthority, new_signing_key
from podling.storage.memory import MemoryStorage


@asynccontextmanager
async def api_server(
    config: Config | None = None, env: Env | None = None, storage: MemoryStorage | None = None
) -> AsyncIterator[ApiServer]:
    """Without a config every user may everything: these tests ask how clients speak, not what they may."""
    storage = storage or MemoryStorage()
    config = config or Config(authorization="AlwaysAllow")
    server = ApiServer(config, storage, env or SystemEnv(), RefusingDialer("no nodes in this test"))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
        await storage.close()


class Secured:
    """A server on TCP and on a Unix socket, with the authority that issues its clients' certificates."""

    def __init__(self, server: ApiServer, authority: CertificateAuthority, now: float, socket: Path) -> None:
        self.server, self._authority, self._now, self._socket = server, authority, now, socket

    def client(self, user: str, *groups: str, unix: bool = False) -> HttpsTransport:
        pair = self._authority.client(user, groups, self._now)
        tls = client_context(self._authority.pair.certificate, pair.certificate, pair.key)
        return HttpsTransport(self.address(unix=unix), tls)

    def bearer(self, token: str) -> HttpsTransport:
        tls = client_context(self._authority.pair.certificate)
        return HttpsTransport(self.address(), tls, token=lambda: token)

    def address(self, *, unix: bool = False) -> Address:
        host, port = self.server.addresses[0]
        return Address(path=str(self._socket)) if unix else Address(host, port)


@asynccontextmanager
async def secured_server(
    folder: Path, storage: MemoryStorage | None = None, authorization: AuthorizationMode = "AlwaysAllow"
) -> AsyncIterator[Secured]:
    env = SystemEnv()
    authority = CertificateAuthority.create("test", env.now())
    serving = authority.serving("podling", ("podling", "127.0.0.1"), env.now())
    config = Config(
        tcp=(("127.0.0.1", 0),),
        unix=folder / "api.sock",
        certificate=serving.certificate,
        key=serving.key,
        ca=authority.pair.certificate,
        token_key=new_signing_key(),
        authorization=authorization,
    )
    async with api_server(config, env, storage) as server:
        yield Secured(server, authority, env.now(), folder / "api.sock")


def config_map(name: str, **data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
