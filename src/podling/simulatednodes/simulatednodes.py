"""All simulated nodes of a cluster: one component, one watch on Pods, one on nodes.

What is simulated says so on its Node (`marks.SIMULATED`). Every change of a Pod on such a node, and every moment that
one of its stages takes, asks `podlife.step` for what is next; the statuses of many Pods are written together. Nothing
is remembered that the API does not know, so a restart goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from podling.api.errors import ApiError, Conflict, NotFound
from podling.api.kinds.core.node import Node
from podling.api.objects import Object
from podling.client.events import EventRecorder
from podling.client.informer import Informers
from podling.client.resources import CONFIGMAPS, NODES, PODS
from podling.client.rest import Rest
from podling.client.transport import Transport
from podling.client.workqueue import Backoff, WorkQueue
from podling.env import Env
from podling.reconcile import pods
from podling.reconcile.action import reference
from podling.reconcile.resizing import Refusal
from podling.simulatednodes import resizing, stages
from podling.simulatednodes.addresses import Addresses
from podling.simulatednodes.heartbeats import Heartbeats
from podling.simulatednodes.marks import SILENT, SIMULATED
from podling.simulatednodes.podlife import Place, Step, step
from podling.simulatednodes.pool import host_address
from podling.simulatednodes.presence import Presence
from podling.simulatednodes.stages import FOR_EVER, BadStages, Life, Rule
from podling.supervise import Supervisor, for_each

COMPONENT = "simulated-kubelet"
AT_ONCE = 128
"""Pods taken from the queue together."""
SLICE = 16
"""Pods decided about before others get their turn."""
log = logging.getLogger(__name__)


class SimulatedNodes:
    """`run` until cancelled. The transport's identity may read and write nodes, leases, Pods and their statuses.

    `informers` are shared with others, who run them.
    """

    def __init__(self, transport: Transport, env: Env, informers: Informers) -> None:
        self._env, self._rest = env, Rest(transport)
        self._pods, self._nodes = informers.of(PODS), informers.of(NODES)
        self._configmaps = informers.of(CONFIGMAPS)
        self._recorder = EventRecorder(transport, env, COMPONENT)
        self._heartbeats = Heartbeats(self._rest, env)
        self._presence = Presence(self._rest, env, self._nodes, self._heartbeats)
        self._here: dict[str, Addresses] = {}
        self._hosts: dict[str, str] = {}
        self._rules: tuple[Rule, ...] = ()
        self._queue: WorkQueue[str] = WorkQueue()
        self._backoff: Backoff[str] = Backoff(first=0.05, longest=10.0)
        self._written: dict[str, int] = {}
        self._moments: dict[str, float] = {}
        self._deferred: dict[str, dict[str, None]] = {}
        """Pods that wait for room to grow, by node."""
        self._wake = asyncio.Event()

    def __contains__(self, node: object) -> bool:
        """A node of this name is simulated here."""
        return node in self._here

    async def run(self) -> None:
        """For ever; returns only by cancellation."""
        for informer in (self._nodes, self._pods, self._configmaps):
            await informer.wait_synced()
        self._configmaps.on_change(self._configmap_changed)
        self._nodes.on_change(self._node_changed)
        self._pods.on_change(self._pod_changed)
        async with Supervisor() as tasks:
            tasks.start("simulated heartbeats", self._heartbeats.run())
            tasks.start("simulated presence", self._presence.run())
            tasks.start("simulated events", self._recorder.run())
            tasks.start("simulated Pods", self._work())
            await tasks.wait()

    # What is seen.

    def _configmap_changed(self, old: Object | None, new: Object | None) -> None:
        known = new if new is not None else old
        if known is None or (known.head.namespace, known.head.name) != (stages.NAMESPACE, stages.NAME):
            return
        self._rules = () if new is None else self._declared(new)
        for node in self._here:
            for found in self._pods.on_node(node):
                self._add(found.key)

    def _declared(self, found: Object) -> tuple[Rule, ...]:
        """What cannot be read changes nothing; an event says why."""
        import yaml

        try:
            return stages.rules_of(yaml.safe_load(found.json().get("data", {}).get(stages.KEY, "")))
        except (BadStages, yaml.YAMLError) as error:
            self._recorder.event(reference(found), "Warning", "BadStages", f"{stages.KEY}: {error}")
            return self._rules

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        name = (new or old).head.name  # type: ignore[union-attr]
        if new is None or new.head.deleting or new.head.labels.get(SIMULATED) != "true":
            self._forget(name)
            return
        node: Node = new.view
        if node.metadata.annotations.get(SILENT) == "true":
            self._heartbeats.end(name)
            return
        spoke_again = old is not None and old.view.metadata.annotations.get(SILENT) == "true"
        self._heartbeats.begin(name, new.head.uid)
        self._presence.look(new)
        self._wake_deferred(name)
        if node.spec.pod_cidr and (name not in self._here or spoke_again):
            self._inhabit(name, node.spec.pod_cidr)

    def _inhabit(self, name: str, block: str) -> None:
        addresses = self._here.setdefault(name, Addresses(block))
        self._hosts[name] = host_address(block)
        for found in self._pods.on_node(name):
            if found.view.status.pod_ip and not pods.is_finished(found.view):
                addresses.keep(found.head.uid, found.view.status.pod_ip)
            self._add(found.key)

    def _forget(self, name: str) -> None:
        self._heartbeats.end(name)
        self._here.pop(name, None)
        self._hosts.pop(name, None)
        self._deferred.pop(name, None)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        found = new if new is not None else old
        assert found is not None
        node = found.head.fields.get("spec.nodeName", "")
        addresses = self._here.get(node)
        if addresses is None:
            return
        self._wake_deferred(node, but=found.key)
        if new is not None:
            if old is not None and new.head.deleting and not old.head.deleting:
                self._moments[new.head.uid] = self._env.now()
            self._add(new.key)
        if new is None or pods.is_finished(new.view):
            addresses.release(found.head.uid)
            self._moments.pop(found.head.uid, None)
        if new is None:
            self._written.pop(found.key, None)
            self._deferred.get(node, {}).pop(found.key, None)
            self._backoff.succeeded(found.key)

    def _wake_deferred(self, node: str, but: str = "") -> None:
        """Something else is there than when they were refused."""
        for key in [each for each in self._deferred.get(node, ()) if each != but]:
            self._add(key)

    def _add(self, key: str) -> None:
        self._queue.add(key)
        self._wake.set()

    # What is done.

    async def _work(self) -> None:
        while True:
            self._wake.clear()
            now = self._env.monotonic()
            self._queue.advance(now)
            if keys := self._take():
                await self._advance(keys)
                continue
            due = self._queue.next_due()
            try:
                async with asyncio.timeout(None if due is None else max(due - now, 0.0)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _take(self) -> list[str]:
        keys: list[str] = []
        while len(keys) < AT_ONCE and (key := self._queue.take()) is not None:
            keys.append(key)
        return keys

    async def _advance(self, keys: list[str]) -> None:
        writes: list[tuple[Object, Step]] = []
        for number, key in enumerate(keys, 1):
            found = self._pods.by_key(key)
            if found is not None and found.revision >= self._written.get(key, 0):
                taken = self._step(found)
                if taken.due is not None:
                    self._queue.add_at(key, self._env.monotonic() + max(taken.due - self._env.now(), 0.0))
                if taken.status is not None or taken.gone:
                    writes.append((found, taken))
            if number % SLICE == 0:
                await asyncio.sleep(0)
        await for_each(writes, self._carry_out)
        for key in keys:
            self._queue.done(key)

    def _step(self, found: Object) -> Step:
        name = found.head.fields["spec.nodeName"]
        addresses, node = self._here.get(name), self._nodes.get("", name)
        if addresses is None or node is None or node.view.metadata.annotations.get(SILENT) == "true":
            return Step()
        host = self._hosts[name]
        address = host if found.view.spec.host_network else addresses.of(found.head.uid)
        since, refusal = self._moments.get(found.head.uid), self._refusal(found, node)
        life = self._life(found, node.head.labels)
        return step(found.view, life, Place(host, address), self._env.now(), since, refusal)

    def _refusal(self, found: Object, node: Object) -> Refusal | None:
        """Why the node has no room for the resources that the Pod wants by now."""
        refusal, name = None, node.head.name
        if not found.head.deleting and resizing.differs(found.view):
            others = (each.view for each in self._pods.on_node(name) if each.key != found.key)
            refusal = resizing.refusal(found.view, others, node.view)
        if refusal is not None:
            self._deferred.setdefault(name, {})[found.key] = None
        elif (deferred := self._deferred.get(name)) is not None:
            deferred.pop(found.key, None)
            if not deferred:
                del self._deferred[name]
        return refusal

    def _life(self, found: Object, node: Mapping[str, str]) -> Life:
        try:
            return stages.life_of(found.view, node, self._rules)
        except BadStages as error:
            self._recorder.event(reference(found), "Warning", "BadStages", str(error))
            return FOR_EVER

    async def _carry_out(self, decided: tuple[Object, Step]) -> None:
        found, taken = decided
        head = found.head
        try:
            if taken.gone:
                await self._rest.delete(PODS, head.namespace, head.name, uid=head.uid, grace=0)
            else:
                if taken.begins:
                    self._moments[head.uid] = self._env.now()
                body = {"metadata": {"uid": head.uid}, "status": taken.status}
                answer = await self._rest.patch_status(PODS, head.namespace, head.name, body, kind="strategic-merge")
                self._written[found.key] = answer.revision
                if taken.event is not None:
                    self._recorder.event(reference(found), *taken.event)
            self._backoff.succeeded(found.key)
        except (NotFound, Conflict):
            return  # another Pod of this name, or none: the informer tells
        except ApiError as error:
            log.info("%s: %s", found.key, error)
            self._queue.add_at(found.key, self._env.monotonic() + self._backoff.failed(found.key))
