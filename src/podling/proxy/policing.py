"""NetworkPolicies made real on a node: follows them, their Pods and namespaces, and replaces the rules when it matters.

Until the first policy exists nothing but policies is watched. Pods of this node only are looked at: no other has an
address. A change of a Pod that no policy can see (a probe, a restart) changes nothing.
"""

from __future__ import annotations

import asyncio
import logging

from podling.api.kinds.core.pod import Pod
from podling.api.objects import Object
from podling.client.informer import Informer, Informers
from podling.client.resources import NAMESPACES, NETWORKPOLICIES, PODS
from podling.client.transport import Transport
from podling.env import Env
from podling.proxy.libnftables import Nft, NftError, find_nft
from podling.proxy.policies import Inhabitant, Judgement, judge, permits
from podling.proxy.policytext import written
from podling.proxy.services import Address
from podling.supervise import Supervisor

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 1.0
_ENDED = ("Succeeded", "Failed")


class Policing:
    """`run` it in the node's network namespace, of which it holds one table; ask `permits` at any time."""

    def __init__(self, informers: Informers, transport: Transport, env: Env, node: str, node_ip: str) -> None:
        """`informers`: shared with others of the process, run by the caller. `node_ip`: whose traffic is free."""
        self._env, self._informers, self._node_ip = env, informers, node_ip
        self._policies = informers.of(NETWORKPOLICIES)
        self._pods = Informer(transport, PODS, env, field_selector=f"spec.nodeName={node}")
        self._wake = asyncio.Event()
        self._nft: Nft | None = None
        self._judgement = Judgement()
        self._in_force: str | None = None

    def permits(self, client: str, target: Address, protocol: str) -> bool:
        """Whether a relay of the node may carry this client's connection to an endpoint; the node itself is free."""
        return self._node_ip in (client, target[0]) or permits(self._judgement, client, target, protocol)

    async def run(self) -> None:
        """Until cancelled; the rules stay for the next process, which goes on from them."""
        self._policies.on_change(lambda old, new: self._wake.set())
        await self._policies.wait_synced()
        if not self._policies.list():
            await self._replace(Judgement())
        await self._policies.wait_until(lambda: bool(self._policies.list()))
        namespaces = self._informers.of(NAMESPACES)
        async with Supervisor() as tasks:
            tasks.start("pods of policies", self._pods.run())
            await self._pods.wait_synced()
            await namespaces.wait_synced()
            self._pods.on_change(self._on_pod)
            namespaces.on_change(self._on_namespace)
            tasks.start("policies", self._follow(namespaces))
            await tasks.wait()

    async def _follow(self, namespaces: Informer) -> None:
        while True:
            self._wake.clear()
            inhabitants = [found for each in self._pods.list() if (found := inhabitant(each)) is not None]
            policies = {(each.head.namespace, each.head.name): each.json() for each in self._policies.list()}
            labels = {each.head.name: each.head.labels for each in namespaces.list()}
            self._judgement = judge(policies, inhabitants, labels)
            if await self._replace(self._judgement):
                await self._wake.wait()
            else:
                await self._env.sleep(_AGAIN_SECONDS)

    async def _replace(self, judgement: Judgement) -> bool:
        """Whether the kernel has these rules now."""
        text = written(judgement)
        if text == self._in_force:
            return True
        try:
            self._nft = self._nft or find_nft()
            await self._env.in_thread(self._nft.run, text)
        except NftError as error:
            if judgement.ingress.isolated or judgement.egress.isolated:
                log.warning("network policies are not enforced between Pods: %s", error)
            return self._nft is None  # nobody installs it meanwhile
        self._in_force = text
        return True

    def _on_pod(self, old: Object | None, new: Object | None) -> None:
        if (old and inhabitant(old)) != (new and inhabitant(new)):
            self._wake.set()

    def _on_namespace(self, old: Object | None, new: Object | None) -> None:
        if (old and old.head.labels) != (new and new.head.labels):
            self._wake.set()


def inhabitant(found: Object) -> Inhabitant | None:
    """None for a Pod without an address of its own, or without a process that could speak."""
    pod: Pod = found.view
    if pod.spec.host_network or not pod.status.pod_ip or pod.status.phase in _ENDED:
        return None
    ports = (port for each in (*pod.spec.init_containers, *pod.spec.containers) for port in each.ports if port.name)
    named = tuple((port.name, port.protocol or "TCP", port.container_port) for port in ports)
    return Inhabitant(found.head.namespace, found.head.labels, pod.status.pod_ip, named)
