"""The API server: storage, watch cache and catalog behind listeners and in-process transports.

`await start()` loads the cache, repairs claims, makes what every cluster has, then listens. Everything runs in the
server's own supervisor; a store that fails ends the server, and `wait()` says why.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

from podling.api.catalog import Catalog, Profile
from podling.api.schema import Schemas, load
from podling.apiserver.admission.chain import Admission
from podling.apiserver.aggregation.aggregator import Aggregator
from podling.apiserver.audit.filter import Auditing
from podling.apiserver.audit.log import AuditLog
from podling.apiserver.authorization.modes import authorizer_of
from podling.apiserver.authorization.reconciliation import reconcile_policy
from podling.apiserver.backend import Backend, Endpoint
from podling.apiserver.clock import DateHeader
from podling.apiserver.config import Config
from podling.apiserver.customresources.definitions import CustomResources
from podling.apiserver.endpoints.discovery import Discovery
from podling.apiserver.endpoints.openapi import OpenApi
from podling.apiserver.endpoints.pieces import PieceCache
from podling.apiserver.endpoints.table import Dispatch
from podling.apiserver.filters.authentication import AUTHENTICATED, certificate_user
from podling.apiserver.filters.chain import Chain, filters, refused
from podling.apiserver.filters.requestheader import FrontProxies
from podling.apiserver.flowcontrol.classifying import FlowControl
from podling.apiserver.flowcontrol.keeping import FlowKeeping
from podling.apiserver.http import READ_SIZE, HttpProtocol
from podling.apiserver.inprocess import InProcessTransport
from podling.apiserver.looplag import watch_lag
from podling.apiserver.message import Outcome, Request, User
from podling.apiserver.metrics import Metrics
from podling.apiserver.metricsapi.sampler import Sampler
from podling.apiserver.registry.bearertokens import BearerTokens
from podling.apiserver.registry.bootstrap import SERVER, bootstrap
from podling.apiserver.registry.bootstraptokens import BootstrapTokens
from podling.apiserver.registry.continuetokens import ContinueTokens
from podling.apiserver.registry.heads import Describer
from podling.apiserver.registry.legacytokens import Tracking, Uses
from podling.apiserver.registry.served import Resources
from podling.apiserver.registry.serviceaccounts import TokenIssuer, TokenReader
from podling.apiserver.registry.services import Allocator
from podling.apiserver.tls import keep_certificate, server_context
from podling.apiserver.webhooks.extension import Extension
from podling.env import Env
from podling.network.dialer import Dialer
from podling.pki.tokens import TokenSigner
from podling.storage.interface import Storage
from podling.storage.watchcache import WatchCache
from podling.supervise import Supervisor
from podling.unixpath import short_path

BACKLOG = 1024
WRITE_BUFFER = 128 * 1024
KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))
"""Socket options: seconds of silence, seconds between questions, questions without an answer."""


class ApiServer:
    """Give it a storage that is open; it does not close it."""

    def __init__(
        self,
        config: Config,
        storage: Storage,
        env: Env,
        dialer: Dialer,
        *,
        catalog: Catalog | None = None,
        schemas: Schemas | None = None,
        streams: Mapping[tuple[str, str], Endpoint] | None = None,
    ) -> None:
        """`catalog` and `schemas` come from the packaged table by default; `streams` are exec, log and the like."""
        self.config, self.env = config, env
        self._storage, self._dialer = storage, dialer
        self._schemas = schemas or load()
        self._catalog = catalog or Catalog.load(
            cast(Profile, config.profile), acted_on=_acted_on(config, self._schemas), schemas=self._schemas
        )
        self._streams = streams or {}
        self._tasks = Supervisor()
        self._listeners: list[asyncio.Server] = []
        self._connections: dict[HttpProtocol, None] = {}
        self._ready = False
        self._extension: Extension | None = None
        self._audit_log: AuditLog | None = None
        self.metrics = Metrics()

    async def start(self) -> None:
        """Until requests are answered. Raises OSError where an address is taken; nothing runs then."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        self._describer = Describer(self._catalog)
        cache = WatchCache(self._storage, self.env, self._describer)
        await cache.start(self._tasks)
        self.backend = await self._backend(cache)
        aggregator = self._aggregator = Aggregator(self.backend, Dispatch(self.backend, self._streams))
        tokens, authorizer = self.backend.token_reader, self.backend.authorizer
        around = (lambda: aggregator.proxies, self._auditing(), FlowControl(cache))
        chain = filters(self.config, self.env, self.metrics, tokens, authorizer, *around)
        self._chain = Chain(chain, aggregator)
        await self.backend.allocator.repair()
        await bootstrap(self.backend)
        keeping = FlowKeeping(self.backend)
        await keeping.start()
        self._tasks.start("flow control", keeping.run())
        if self.config.token_key:
            tracking = Tracking(self.backend, self._uses)
            await tracking.start()
            self._tasks.start("legacy tokens", tracking.run())
        assert self._extension is not None
        client = self._extension.client
        await CustomResources(self.backend, self._catalog, self._describer, self._tasks, client).start()
        if self.config.authorization == "RBAC":
            await reconcile_policy(self.backend)
        await aggregator.start(self._tasks)
        self._ready = True
        if self.config.tcp or self.config.unix is not None:
            self._tasks.start("loop lag", watch_lag(self.env, self.metrics))
        await self._listen()

    async def stop(self) -> None:
        """Close listeners and connections, end all tasks."""
        self._ready = False
        for listener in self._listeners:
            listener.close()
        for connection in list(self._connections):
            connection.shut()
        await self._tasks.stop()
        if self._audit_log is not None:
            await self.env.in_thread(self._audit_log.flush)
        if self._extension is not None:
            self._extension.close()
        if self.config.unix is not None:
            self.config.unix.unlink(missing_ok=True)

    @property
    def ready(self) -> bool:
        """Whether it has started and is not stopping."""
        return self._ready

    async def wait(self) -> None:
        """Until a part of the server fails; raises its exception."""
        await self._tasks.wait()

    def transport(self, user: str = "system:apiserver", groups: Sequence[str] = ()) -> InProcessTransport:
        """The way of a component in this process, as `user`, who has the rights it was given and no others; the
        server itself may everything."""
        who = SERVER if user == SERVER.name else User(user, (*groups, AUTHENTICATED))
        return InProcessTransport(self._chain, self.backend, who)

    async def handle(self, request: Request) -> Outcome:
        """One request, past all filters."""
        return await self._chain.handle(request)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The TCP addresses listened on."""
        found = [sock.getsockname() for listener in self._listeners for sock in listener.sockets]
        return [(name[0], name[1]) for name in found if isinstance(name, tuple)]

    async def _backend(self, cache: WatchCache) -> Backend:
        config, env = self.config, self.env
        authorizer = authorizer_of(config, cache)
        signer = TokenSigner(config.token_key) if config.token_key else None
        self._uses = Uses(env)
        reading = (env, cache, config.issuer, config.audiences, self._uses.used)
        accounts = TokenReader(signer.verifier, *reading) if signer else None
        resources = Resources(self._catalog, self._schemas)
        self._extension = Extension(env, cache, self._dialer, resources, authorizer)
        return Backend(
            config=config,
            env=env,
            storage=self._storage,
            cache=cache,
            catalog=self._catalog,
            schemas=self._schemas,
            resources=resources,
            dialer=self._dialer,
            usage=Sampler(self._dialer, env),
            metrics=self.metrics,
            admission=Admission(config, env, cache, authorizer, self._extension),
            authorizer=authorizer,
            allocator=Allocator(cache, env, config.service_cidr, config.node_ports),
            continue_tokens=await ContinueTokens.load(self._storage, env),
            tokens=TokenIssuer(signer, env, config.issuer) if signer else None,
            token_reader=BearerTokens(config.static_tokens, accounts, BootstrapTokens(env, cache), config.audiences),
            discovery=Discovery(self._catalog),
            openapi=OpenApi(self._catalog, self._schemas),
            describe=self._describer,
            health=self._health,
            pieces=PieceCache(),
        )

    def _auditing(self) -> Auditing | None:
        policy, path = self.config.audit, self.config.audit_log
        if policy is None or path is None:
            return None
        self._audit_log = AuditLog(path, self.env, self.config.audit_limits)
        self._tasks.start("audit log", self._audit_log.run())
        return Auditing(policy, self._audit_log, self.env, self.backend.authorizer, self._schemas)

    async def _listen(self) -> None:
        if not self.config.tcp and self.config.unix is None:
            return
        proxies = self._aggregator.proxies
        context = server_context(self.config, proxies.authority)
        if self.config.renew is not None:
            self._tasks.start("serving certificate", keep_certificate(context, self.config, self.env))
        loop = asyncio.get_running_loop()
        date = DateHeader(self.env)
        buffer = memoryview(bytearray(READ_SIZE))

        begin, spawn, identify = self._chain.begin, self._tasks.start, partial(_identify, proxies)

        def connected() -> HttpProtocol:
            return HttpProtocol(begin, spawn, identify, refused, self._connections, date, buffer)

        for host, port in self.config.tcp:
            self._listeners.append(await loop.create_server(connected, host, port, ssl=context, backlog=BACKLOG))
        if self.config.unix is not None:
            self.config.unix.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX)
            with short_path(str(self.config.unix)) as path:
                listener.bind(path)
            self._listeners.append(
                await loop.create_unix_server(connected, sock=listener, ssl=context, backlog=BACKLOG)
            )
            self.config.unix.chmod(0o600)

    def _health(self, endpoint: str) -> dict[str, str]:
        checks = {"ping": "", "log": "", "etcd": ""}
        if endpoint == "readyz":
            checks |= {"informer-sync": "" if self._ready else "the cache is loading", "shutdown": ""}
            if not self._ready:
                checks["shutdown"] = "the server is starting or stopping"
        return checks


def _identify(proxies: FrontProxies, transport: asyncio.Transport) -> User | None:
    transport.set_write_buffer_limits(high=WRITE_BUFFER)
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A machine that went away without a word is found out in a minute, also by a watch without events.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEP_ALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
    secured: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    if secured is None:
        return None
    peer, encoded = secured.getpeercert(), secured.getpeercert(binary_form=True)
    return proxies.of(peer, encoded) or certificate_user(peer, encoded)


def _acted_on(config: Config, schemas: Schemas) -> list[tuple[str, str]]:
    """(group, kind) of the kinds whose creation brings no warning."""
    if config.acting is not None:
        return [(group, kind) for group, _, kind in (each.rpartition("/") for each in sorted(config.acting))]
    rows = schemas.resources.items()
    return [(version.rpartition("/")[0], row.kind) for version, resources in rows for row in resources.values()]
