"""NetworkPolicies made real on a node: follows them, their Pods and namespaces, and replaces the rules when it matters.

Until the first policy exists nothing but policies is watched. A change of a Pod that no policy can see (a probe, a
restart) changes nothing. Every node has the same rules about all Pods, so a connection between nodes is judged alike at
both ends; what nodes say to Pods, and Pods to nodes, is free.
"""

from __future__ import annotations

import asyncio
import logging
from ipaddress import IPv4Address, IPv4Network

from podling.api.kinds.core.pod import Pod
from podling.api.objects import Object
from podling.client.informer import Informer
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
_REST_SECONDS = 0.5
"""The longest pause between two replacements; otherwise ten times as long as the last one took."""
_ENDED = ("Succeeded", "Failed")


class Policing:
    """`run` it in the node's network namespace, of which it holds one table; ask `permits` at any time."""

    def __init__(self, transport: Transport, env: Env, node_ip: str, pods: str) -> None:
        """`transport`: of somebody who may read all Pods. `pods`: the network of all nodes' Pods, 10.244.0.0/16."""
        self._env, self._pod_network = env, IPv4Network(pods)
        # The nodes of a cluster have their addresses side by side.
        self._nodes = IPv4Network(f"{node_ip}/24", strict=False)
        self._policies, self._pods, self._namespaces = (
            Informer(transport, each, env) for each in (NETWORKPOLICIES, PODS, NAMESPACES)
        )
        self._wake = asyncio.Event()
        self._nft: Nft | None = None
        self._judgement = Judgement()
        self._in_force: str | None = None

    def permits(self, client: str, target: Address, protocol: str) -> bool:
        """Whether a relay of the node may carry this client's connection to an endpoint; nodes themselves are free."""
        if not (self._judgement.ingress.isolated or self._judgement.egress.isolated):
            return True
        source, goal = IPv4Address(client), IPv4Address(target[0])
        if source.is_loopback or source in self._nodes or goal in self._nodes:
            return True
        return permits(self._judgement, client, target, protocol)

    async def run(self) -> None:
        """Until cancelled; the rules stay for the next process, which goes on from them."""
        self._policies.on_change(lambda old, new: self._wake.set())
        async with Supervisor() as tasks:
            tasks.start("network policies", self._policies.run())
            await self._policies.wait_synced()
            if not self._policies.list():
                await self._replace(Judgement())
            await self._policies.wait_until(lambda: bool(self._policies.list()))
            for informer in (self._pods, self._namespaces):
                tasks.start(f"{informer.resource.plural} of policies", informer.run())
                await informer.wait_synced()
            self._pods.on_change(self._on_pod)
            self._namespaces.on_change(self._on_namespace)
            tasks.start("judging", self._follow())
            await tasks.wait()

    async def _follow(self) -> None:
        while True:
            began = self._env.monotonic()
            self._wake.clear()
            inhabitants = [found for each in self._pods.list() if (found := self._inhabitant(each)) is not None]
            policies = {(each.head.namespace, each.head.name): each.json() for each in self._policies.list()}
            labels = {each.head.name: each.head.labels for each in self._namespaces.list()}
            self._judgement = judge(policies, inhabitants, labels)
            if await self._replace(self._judgement):
                rested = self._env.monotonic() + min(10 * (self._env.monotonic() - began), _REST_SECONDS)
                await self._wake.wait()
                await self._env.sleep(max(rested - self._env.monotonic(), 0.0))
            else:
                await self._env.sleep(_AGAIN_SECONDS)

    async def _replace(self, judgement: Judgement) -> bool:
        """Whether the kernel has these rules now."""
        text = written(judgement, str(self._nodes))
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
        if (old and self._inhabitant(old)) != (new and self._inhabitant(new)):
            self._wake.set()

    def _on_namespace(self, old: Object | None, new: Object | None) -> None:
        if (old and old.head.labels) != (new and new.head.labels):
            self._wake.set()

    def _inhabitant(self, found: Object) -> Inhabitant | None:
        """None also for simulated Pods, whose addresses lead nowhere."""
        known = inhabitant(found)
        return known if known is not None and IPv4Address(known.address) in self._pod_network else None


def inhabitant(found: Object) -> Inhabitant | None:
    """None for a Pod without an address of its own, or without a process that could speak."""
    pod: Pod = found.view
    if pod.spec.host_network or not pod.status.pod_ip or pod.status.phase in _ENDED:
        return None
    ports = (port for each in (*pod.spec.init_containers, *pod.spec.containers) for port in each.ports if port.name)
    named = tuple((port.name, port.protocol or "TCP", port.container_port) for port in ports)
    return Inhabitant(found.head.namespace, found.head.labels, pod.status.pod_ip, named)
