"""The node process: kubelet, proxy and DNS of one node, in its namespaces (DESIGN 11).

It is the replaceable client of the node's keeper: killed or upgraded, it finds Pods, exit codes, logs and ports again
where the keeper holds them. It joins the keeper's network and mount namespaces before it has a loop or a thread, and
speaks to the API through the server's Unix socket, for no network leads out of here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import sys
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast

from podling.api.errors import ApiError, BadRequest, InternalError
from podling.client.http1 import Address
from podling.client.https import HttpsTransport, client_context
from podling.client.informer import Informers
from podling.client.resources import NODES
from podling.client.rest import Rest
from podling.client.transport import Transport
from podling.dns.dns import Dns, DnsConfig
from podling.env import SystemEnv
from podling.keeper.client import KeeperClient
from podling.keeper.launch import find_keeper
from podling.kubelet.config import KubeletConfig
from podling.kubelet.kubelet import Kubelet
from podling.kubelet.node import farewell
from podling.kubelet.server import NodeHandlers
from podling.network.apirelay import relay_api
from podling.network.hostports import KeeperListeners
from podling.network.node import set_up_node
from podling.network.nodesocket import NodeSocket
from podling.network.pod import PodNetwork
from podling.proxy.proxy import Proxy, ProxyConfig
from podling.runtime.images.registry import RegistryPuller
from podling.runtime.images.service import ImageService
from podling.runtime.images.store import ImageStore
from podling.runtime.oci import OciRuntime
from podling.supervise import Supervisor

from .child import Child, run
from .joining import join
from .nodenetwork import policing_of
from .proxymode import VERB
from .pulling import OutsidePuller
from .spec import API_PORT, CLUSTER_DOMAIN, DNS_IP, SERVICE_NETWORK, SpecError, hold_as_node

PROGRAM = "podling.cluster.node"
FAREWELL_SECONDS = 5.0


class Entered(NamedTuple):
    """What a process has brought along into its node."""

    tls: ssl.SSLContext
    claim: socket.socket | None
    """Keeps the cluster's number from being given away while the server is down."""
    keeper: int
    """A descriptor of the keeper's process."""
    outside: int
    """A descriptor of the host's network namespace, over which images come."""


def prepare(child: Child) -> Entered:
    """Read our certificate and join the keeper's namespaces, while this process has one thread and no loop."""
    node = child.node_paths
    keeper = find_keeper(node.directory)
    if keeper is None:
        raise SpecError("the node's keeper does not run; podling start brings it back")
    ca = (child.paths.pki / "ca.crt").read_bytes()
    context = client_context(ca, node.certificate.read_bytes(), node.key.read_bytes())
    claim = hold_as_node(child.spec.number)  # in the host's network namespace, which is left below
    outside = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    entered = Entered(context, claim, os.pidfd_open(keeper.pid), outside)
    join(keeper.pid)
    set_up_node(child.node.internal_address, SERVICE_NETWORK)
    return entered


async def body(child: Child, entered: Entered, tasks: Supervisor) -> None:
    env, spec, paths, own, node = SystemEnv(), child.spec, child.paths, child.node, child.node_paths
    keeper = KeeperClient(node.keeper_socket)
    transport = await _transport(child, entered.tls, env)
    informers = Informers(transport, env)
    images = ImageStore(paths.images)
    runtime = OciRuntime(
        keeper,
        ImageService(images, OutsidePuller(RegistryPuller(images, env), entered.outside, env), env),
        PodNetwork(own.pod_network, own.internal_address, env),
        env,
        state=node.directory,
        node_ip=own.internal_address,
        binary=cast(Literal["crun", "runc"], spec.runtime),
    )
    config = ProxyConfig(own.name, own.internal_address, SERVICE_NETWORK, own.host_address)
    policing = policing_of(child, env)
    proxy = Proxy(informers, spec.proxy_mode, env, config, KeeperListeners(keeper), policing.permits)
    kubelet = Kubelet(_kubelet_config(child), transport, runtime, env, proxy)
    doors = NodeSocket(str(node.node_socket), Handlers(kubelet, proxy, tasks).handle, owner=spec.owner)
    doors.listen()
    tasks.start("node socket", doors.run())
    tasks.start("informers", informers.run())
    tasks.start("proxy", proxy.run())
    tasks.start("network policies", policing.run())
    dns = Dns(informers, DnsConfig(own.internal_address, 53, CLUSTER_DOMAIN, DNS_IP))
    tasks.start("dns", dns.run())
    await relay_api(own.internal_address, API_PORT, str(paths.api_socket), tasks)
    tasks.start("kubelet", kubelet.run())
    tasks.start("keeper", _end_with_keeper(entered.keeper, Rest(transport), own.name, env, tasks))
    await _until_ready(child, informers, dns)


async def _end_with_keeper(keeper: int, rest: Rest, name: str, env: SystemEnv, tasks: Supervisor) -> None:
    """A node without its keeper is no node: say so, that its Pods are missed at once, and end."""
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(keeper, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(keeper)
    logging.warning("the keeper has ended, and all Pods with it: this node is no more")
    try:
        async with asyncio.timeout(FAREWELL_SECONDS):
            await rest.patch_status(NODES, "", name, {"status": farewell(env.now())}, kind="strategic-merge")
    except (ApiError, OSError, TimeoutError) as error:
        logging.warning("nobody could be told: %s", error)  # its Lease will tell
    tasks.finish()


class Handlers:
    """What the node's socket answers: the kubelet's streams, and the switch of the proxy mode."""

    def __init__(self, kubelet: Kubelet, proxy: Proxy, tasks: Supervisor) -> None:
        self._kubelet, self._proxy = NodeHandlers(kubelet, tasks), proxy

    async def handle(self, request: Mapping[str, Any]) -> socket.socket:
        if request.get("verb") != VERB:
            return await self._kubelet.handle(request)
        try:
            await self._proxy.switch(str(request.get("mode")))
        except ValueError as error:
            raise BadRequest(str(error)) from error
        except OSError as error:
            raise InternalError(str(error)) from error
        ours, theirs = socket.socketpair()
        ours.close()
        return theirs


async def _transport(child: Child, tls: ssl.SSLContext, env: SystemEnv) -> Transport:
    """The API over the server's socket, once that is there."""
    while not child.paths.api_socket.exists():
        await env.sleep(0.01)
    return HttpsTransport(Address(path=str(child.paths.api_socket)), tls, user_agent="kubelet/podling")


def _kubelet_config(child: Child) -> KubeletConfig:
    own = child.node
    return KubeletConfig(
        node_name=own.name,
        state=child.node_paths.directory,
        internal_ip=own.internal_address,
        external_ip=own.host_address,
        provider_id=f"podling://{child.spec.name}/{own.name}",
        cluster_domain=CLUSTER_DOMAIN,
        cluster_dns=DNS_IP,
        pod_cidr=own.pod_network,
        may_mount=True,
    )


async def _until_ready(child: Child, informers: Informers, dns: Dns) -> None:
    """The node says Ready, and the cluster's DNS knows every Service there is."""
    nodes = informers.of(NODES)

    def ready() -> bool:
        return any(
            condition.type == "Ready" and condition.status == "True"
            for found in nodes.list()
            if found.head.name == child.node.name
            for condition in found.view.status.conditions
        )

    await nodes.wait_synced()
    await nodes.wait_until(ready)
    child.reporter.step(f"node {child.node.name} Ready")
    await dns.wait_ready()
    child.reporter.step(f"DNS answering at {DNS_IP}")


def main() -> int:
    return run(PROGRAM, prepare, body)


if __name__ == "__main__":
    sys.exit(main())
