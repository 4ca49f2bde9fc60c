"""NetworkPolicies made real on a node: follows them, their Pods and namespaces, and replaces the rules when it matters.

Until the first policy exists nothing but policies is watched. A change of a Pod that no policy can see (a probe, a
restart) changes nothing, any other is judged by those that see it, in turns that are short however many that are. Every
node has the same rules about all Pods, so a connection between nodes is judged alike at both ends; what nodes say to
Pods, and Pods to nodes, is free.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from typing import TypeVar

from podling.api.kinds.core.pod import Pod
from podling.api.objects import Head, Object
from podling.client.informer import Informer
from podling.client.resources import NAMESPACES, NETWORKPOLICIES, PODS
from podling.client.transport import Transport
from podling.env import Env
from podling.proxy.libnftables import Nft, NftError, find_nft
from podling.proxy.policies import Inhabitant, Judgement, permits
from podling.proxy.policyjudging import Judging
from podling.proxy.policytext import written
from podling.proxy.services import Address
from podling.supervise import Supervisor

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 1.0
_REST_SECONDS = 0.5
"""The longest pause between two replacements; otherwise ten times as long as the last one took."""
_TURN_SECONDS = 0.001
"""Of judging and writing, until others have theirs."""
_ENDED = ("Succeeded", "Failed")

T = TypeVar("T")
Learn = Callable[[Head, Object | None], None]
"""From what was or is there, and what it is now."""


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
        self._judging = Judging()
        self._news: dict[str, tuple[Learn, Head, Object | None]] = {}
        """What has changed and was not judged yet, by the key of the object."""
        self._judgement = Judgement()
        self._in_force: Judgement | None = None

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
        self._policies.on_change(partial(self._note, self._learn_policy))
        async with Supervisor() as tasks:
            tasks.start("network policies", self._policies.run())
            await self._policies.wait_synced()
            if not self._policies.list():
                await self._replace(Judgement())
            await self._policies.wait_until(lambda: bool(self._policies.list()))
            for informer in (self._pods, self._namespaces):
                tasks.start(f"{informer.resource.plural} of policies", informer.run())
                await informer.wait_synced()
            self._namespaces.on_change(partial(self._note, self._learn_namespace))
            self._pods.on_change(partial(self._note, self._learn_pod))
            tasks.start("judging", self._follow())
            await tasks.wait()

    async def _follow(self) -> None:
        while True:
            began = self._env.monotonic()
            self._wake.clear()
            await self._in_turns(self._learn())
            await self._in_turns(self._judging.steps())
            self._judgement = self._judging.judgement
            if await self._replace(self._judgement):
                rested = self._env.monotonic() + min(10 * (self._env.monotonic() - began), _REST_SECONDS)
                await self._wake.wait()
                await self._env.sleep(max(rested - self._env.monotonic(), 0.0))
            else:
                await self._env.sleep(_AGAIN_SECONDS)

    async def _replace(self, judgement: Judgement) -> bool:
        """Whether the kernel has these rules now."""
        if judgement == self._in_force:
            return True
        text = "".join(await self._in_turns(written(judgement, str(self._nodes))))
        try:
            self._nft = self._nft or find_nft()
            await self._env.in_thread(self._nft.run, text)
        except NftError as error:
            if judgement.ingress.isolated or judgement.egress.isolated:
                log.warning("network policies are not enforced between Pods: %s", error)
            return self._nft is None  # nobody installs it meanwhile
        self._in_force = judgement
        return True

    async def _in_turns(self, steps: Iterable[T]) -> list[T]:
        """What all steps gave."""
        out: list[T] = []
        began = self._env.monotonic()
        for step in steps:
            out.append(step)
            if self._env.monotonic() - began > _TURN_SECONDS:
                await asyncio.sleep(0)
                began = self._env.monotonic()
        return out

    def _note(self, learn: Learn, old: Object | None, new: Object | None) -> None:
        if (found := new or old) is not None:
            self._news[found.key] = learn, found.head, new
            self._wake.set()

    def _learn(self) -> Iterator[None]:
        while self._news:
            learn, head, now = self._news.pop(next(iter(self._news)))
            learn(head, now)
            yield

    def _learn_policy(self, head: Head, now: Object | None) -> None:
        self._judging.policy((head.namespace, head.name), now.json() if now is not None else None)

    def _learn_pod(self, head: Head, now: Object | None) -> None:
        self._judging.pod((head.namespace, head.name), self._inhabitant(now) if now is not None else None)

    def _learn_namespace(self, head: Head, now: Object | None) -> None:
        self._judging.namespace(head.name, now.head.labels if now is not None else {})

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
