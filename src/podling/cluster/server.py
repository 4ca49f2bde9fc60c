"""The server process: API, controllers and scheduler in one loop, without any privilege (DESIGN 19).

Controllers and scheduler use the in-process transport under their own users. With the simulated runtime the kubelet
lives here too: a simulated node needs neither namespaces nor root.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from podling.api.catalog import Catalog
from podling.api.schema import Schemas, load
from podling.apiserver.audit.policy import parse as parse_policy
from podling.apiserver.audit.rotation import Limits
from podling.apiserver.config import Config
from podling.apiserver.message import User
from podling.apiserver.registry.statictokens import parse as parse_tokens
from podling.apiserver.server import ApiServer
from podling.apiserver.streams.table import STREAMS
from podling.client.rest import Rest
from podling.client.transport import Transport
from podling.controllermanager.manager import ControllerManager, find_controllers
from podling.controllermanager.served import served_by
from podling.env import SystemEnv
from podling.kubelet.config import KubeletConfig
from podling.kubelet.kubelet import Kubelet
from podling.network.dialer import Dialer
from podling.network.unixdialer import RefusingDialer, UnixDialer
from podling.pki.ca import CertificateAuthority, KeyPair
from podling.pki.requests import RequestSigner
from podling.pki.tokens import TokenSigner
from podling.reconcile.hostpathvolumes import STANDARD
from podling.reconcile.view import Settings
from podling.scheduler.scheduler import Scheduler
from podling.simulatednodes.dialer import SimulatedDialer
from podling.simulatednodes.registration import settle
from podling.simulatednodes.simulatednodes import SimulatedNodes
from podling.storage.interface import Storage
from podling.supervise import Supervisor

from . import audit, privileges
from .child import Child, run
from .credentials import TOKENS, renew_serving
from .nodesockets import NodeSockets
from .objects import ensure, ways_in
from .spec import API_PORT, DNS_IP, SERVICE_NETWORK, ClusterSpec

MANAGER, SCHEDULER = "system:kube-controller-manager", "system:kube-scheduler"
SIMULATOR = "system:podling:simulated-nodes"
SIMULATED = "the node is simulated (--runtime fake): nothing runs behind this address"
NODE_ACTS_ON = (("", "Pod"), ("", "Node"), ("", "Service"))
"""Kinds that scheduler, kubelet and proxy act on, beside those the controllers are for."""
REAL_NODE_ACTS_ON = (("networking.k8s.io", "NetworkPolicy"),)


def prepare(child: Child) -> None:
    """Give up root before anything is listened on or read from a client."""
    audit.hand_over(child.paths, child.spec.owner)
    if kept := privileges.become(child.spec.owner):
        child.reporter.step(kept)


async def body(child: Child, _: None, tasks: Supervisor) -> None:
    env, spec, paths = SystemEnv(), child.spec, child.paths
    new = spec.store == "memory" or not paths.store.exists()
    storage = await _storage(child, env)
    dialer: Dialer = UnixDialer(NodeSockets(paths))
    if spec.simulated:
        dialer = RefusingDialer(SIMULATED)
    dialer = guarded = SimulatedDialer(dialer)
    schemas = load()
    acted_on = _acted_on(schemas, spec)
    catalog = Catalog.load(spec.profile, acted_on=acted_on, schemas=schemas)
    server = ApiServer(
        _config(child, acted_on), storage, env, dialer, catalog=catalog, schemas=schemas, streams=STREAMS
    )
    await server.start()
    tasks.start("storage", _closing(storage))
    tasks.start("api server", _serving(server))
    child.reporter.step(f"API answering at {spec.api_url}")
    admin = server.transport("system:apiserver", ("system:masters",))
    await ensure(admin, [*ways_in(spec), *([STANDARD] if new else [])])
    signer = RequestSigner(CertificateAuthority(KeyPair(_read(child, "ca.crt"), _read(child, "ca.key"))))
    settings = Settings(
        root_ca=_read(child, "ca.crt").decode(),
        signer=signer.sign,
        token_signer=TokenSigner(_read(child, "sa.key")).sign,
        started=env.now(),
    )
    manager = ControllerManager(server.transport(MANAGER), env, settings, served_by(catalog))
    tasks.start("controller manager", manager.run())
    tasks.start("scheduler", Scheduler(server.transport(SCHEDULER), env, manager.informers).run())
    if spec.simulated:
        tasks.start("kubelet", _simulated_kubelet(child, server, env).run())
    await _simulate(child, server, env, manager, guarded, tasks)


async def _simulate(
    child: Child,
    server: ApiServer,
    env: SystemEnv,
    manager: ControllerManager,
    dialer: SimulatedDialer,
    tasks: Supervisor,
) -> None:
    """Run what is simulated among the nodes, and make the pools what they were asked to be."""
    transport = server.transport(SIMULATOR, ("system:masters",))
    dialer.simulated = nodes = SimulatedNodes(transport, env, manager.informers)
    tasks.start("simulated nodes", nodes.run())
    child.reporter.step("controllers and scheduler running")
    for name, pool in child.spec.pools.items():
        await settle(Rest(transport), name, pool, env)
        child.reporter.step(f"{pool.count} simulated nodes in pool {name}")


async def _storage(child: Child, env: SystemEnv) -> Storage:
    if child.spec.store == "memory":
        from podling.storage.memory import MemoryStorage

        return MemoryStorage()
    from podling.storage.sqlite import SqliteStorage

    return await SqliteStorage.open(str(child.paths.store), env)


def _config(child: Child, acted_on: Iterable[tuple[str, str]]) -> Config:
    spec = child.spec
    audited = audit.kept(child.paths)
    return Config(
        tcp=((spec.api_address, API_PORT),),
        unix=child.paths.api_socket,
        certificate=_read(child, "apiserver.crt"),
        key=_read(child, "apiserver.key"),
        renew=lambda: renew_serving(child.paths, spec, SystemEnv().now()),
        ca=_read(child, "ca.crt"),
        token_key=_read(child, "sa.key"),
        static_tokens=_static_tokens(child),
        audit=parse_policy(audited.policy) if audited is not None else None,
        audit_log=audit.log_of(child.paths, audited) if audited is not None else None,
        audit_limits=audit.limits_of(audited) if audited is not None else Limits(),
        profile=spec.profile,
        authorization=spec.authorization,
        acting=frozenset(map("/".join, acted_on)),
        service_cidr=SERVICE_NETWORK,
        server_port=API_PORT,
    )


def _static_tokens(child: Child) -> Mapping[str, User]:
    file = child.paths.pki / TOKENS
    return parse_tokens(file.read_text()) if file.exists() else {}


def _read(child: Child, name: str) -> bytes:
    return (child.paths.pki / name).read_bytes()


def _acted_on(schemas: Schemas, spec: ClusterSpec) -> list[tuple[str, str]]:
    """(group, kind) of every kind that something here acts on."""
    keys = [each.resource for each in find_controllers() if each.resource is not None and not each.aside]
    rows = schemas.resources
    kinds = [(key.group, rows[f"{key.group}/{key.version}".lstrip("/")][key.plural].kind) for key in keys]
    return [*kinds, *NODE_ACTS_ON, *(() if spec.simulated else REAL_NODE_ACTS_ON)]


def _simulated_kubelet(child: Child, server: ApiServer, env: SystemEnv) -> Kubelet:
    from podling.runtime.fake import FakeRuntime

    node = child.node
    config = KubeletConfig(
        node_name=node.name,
        state=child.paths.server / "kubelet",
        internal_ip=node.internal_address,
        cluster_dns=DNS_IP,
        labels={"podling/simulated": "true"},
    )
    transport: Transport = server.transport(f"system:node:{node.name}", ("system:nodes",))
    return Kubelet(config, transport, FakeRuntime(env), env)


async def _serving(server: ApiServer) -> None:
    try:
        await server.wait()
    finally:
        await server.stop()


async def _closing(storage: Any) -> None:
    """The store's own upkeep, and its orderly end."""
    try:
        await storage.run()
    finally:
        await storage.close()


def main() -> int:
    return run("podling.cluster.server", prepare, body)


if __name__ == "__main__":
    sys.exit(main())
