"""`ApiServer()`: the whole API of Kubernetes inside a test, on the memory store, ready before one notices.

It is the same server that `podling start` runs: TLS, RBAC, admission, validation, watches, custom resources. No
controller and no node acts on what is stored; `Cluster` adds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path
from typing import Literal

from podling.api.catalog import Catalog, Profile
from podling.api.kinds.kind import all_kinds
from podling.api.schema import Schemas, load
from podling.apiserver.config import AuthorizationMode, Config
from podling.apiserver.server import ApiServer as Server
from podling.apiserver.streams.table import STREAMS
from podling.client.rest import Rest
from podling.client.transport import Transport
from podling.env import Env, SystemEnv
from podling.network.dialer import Dialer
from podling.network.unixdialer import RefusingDialer
from podling.storage.memory import MemoryStorage
from podling.supervise import Supervisor
from podling.testing.credentials import ADMIN, ADMIN_GROUPS, Credentials
from podling.testing.embedded import Embedded

NO_NODES = "this API server has no nodes (podling.testing): nothing runs behind this address"

# The files of all kinds are read with this module, not by the first server: the second then starts as quickly.
all_kinds()


class ApiServer(Embedded):
    """`with ApiServer() as api:` or `async with ApiServer() as api:`; as many beside each other as are wanted.

    `profile`: "current" serves what 1.37 serves, "book" also what older releases did. `authorization`: "RBAC" or
    "AlwaysAllow". `env` hands in time and chance.
    """

    url: str
    """Where it answers, with TLS: https://127.0.0.1:PORT."""
    client: Rest
    """Calls of an administrator without a socket. They belong to the server's loop: `await` them in `async with`,
    hand them to `run` in `with`."""

    def __init__(
        self,
        *,
        profile: Literal["current", "book"] = "current",
        authorization: AuthorizationMode = "RBAC",
        env: Env | None = None,
    ) -> None:
        super().__init__()
        self._profile: Profile = profile
        self._authorization: AuthorizationMode = authorization
        self.env = env or SystemEnv()

    @property
    def ca(self) -> bytes:
        """The certificate (PEM) with which clients check the server's."""
        return self._credentials.ca

    @property
    def kubeconfig_text(self) -> str:
        """An administrator's kubeconfig; certificates are embedded."""
        return self.kubeconfig_of(ADMIN, ADMIN_GROUPS)

    def kubeconfig(self, path: str | Path) -> Path:
        """Write the administrator's kubeconfig to `path`, readable by its owner only; returns the path."""
        file = Path(path)
        file.touch(mode=0o600)
        file.write_text(self.kubeconfig_text)
        return file

    def kubeconfig_of(self, user: str, groups: Sequence[str] = ()) -> str:
        """The kubeconfig of another user, who comes with a client certificate and has the rights it is given."""
        return self._credentials.kubeconfig(self.url, user, groups)

    def transport(self, user: str, groups: Sequence[str] = ()) -> Transport:
        """The way of a component in this process (informers, recorders), as `user`."""
        return self.server.transport(user, groups)

    async def _open(self, stack: AsyncExitStack, tasks: Supervisor) -> None:
        schemas, self.catalog = _facts(self._profile, self._acted_on())
        self._credentials = Credentials(self.env, "podling-test")
        storage = MemoryStorage()
        stack.push_async_callback(storage.close)
        self.server = Server(
            self._config(), storage, self.env, self._dialer(), catalog=self.catalog, schemas=schemas, streams=STREAMS
        )
        await self.server.start()
        stack.push_async_callback(self.server.stop)
        tasks.start("api server", self.server.wait())
        host, port = self.server.addresses[0]
        self.url = f"https://{host}:{port}"
        self.client = Rest(self.transport(ADMIN, ADMIN_GROUPS))

    def _config(self) -> Config:
        return Config(
            tcp=(("127.0.0.1", 0),),
            certificate=self._credentials.serving.certificate,
            key=self._credentials.serving.key,
            ca=self._credentials.ca,
            token_key=self._credentials.token_key,
            profile=self._profile,
            authorization=self._authorization,
            acting=None if (acted_on := self._acted_on()) is None else frozenset(map("/".join, acted_on)),
        )

    def _dialer(self) -> Dialer:
        return RefusingDialer(NO_NODES)

    def _acted_on(self) -> frozenset[tuple[str, str]] | None:
        """(group, kind) of the kinds that a component acts on; None where no Warning is wanted for the others: that a
        bare API server acts on nothing need not be said with each request."""
        return None


@cache
def _facts(profile: Profile, acted_on: frozenset[tuple[str, str]] | None) -> tuple[Schemas, Catalog]:
    """Types and built-in resources never change: all servers of a process share one copy."""
    schemas = load()
    if acted_on is None:
        rows = schemas.resources.items()
        acted_on = frozenset((version.rpartition("/")[0], row.kind) for version, rs in rows for row in rs.values())
    return schemas, Catalog.load(profile, acted_on=acted_on, schemas=schemas)
