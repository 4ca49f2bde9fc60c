"""Nodes that do not say they are Ready: made by others with nothing but the label, or taken for lost meanwhile.

They get a block of addresses and a status, and their Lease is renewed first, or they would be taken for lost again.
"""

from __future__ import annotations

import asyncio
import logging

from podling.api.errors import ApiError
from podling.api.kinds.core.node import Node
from podling.api.objects import Object
from podling.client.indexed import Lister
from podling.client.resources import NODES
from podling.client.rest import Rest
from podling.client.workqueue import Backoff, WorkQueue
from podling.env import Env
from podling.simulatednodes.heartbeats import Heartbeats
from podling.simulatednodes.pool import PoolFull, blocks, node_status

PLAIN = {"cpu": "32", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "110"}
"""What a node has whose maker said nothing of it."""
log = logging.getLogger(__name__)


class Presence:
    """`look` at every change of a node that is not silent; `run` beside it until cancelled."""

    def __init__(self, rest: Rest, env: Env, nodes: Lister, heartbeats: Heartbeats) -> None:
        self._rest, self._env, self._nodes, self._heartbeats = rest, env, nodes, heartbeats
        self._queue: WorkQueue[str] = WorkQueue()
        self._backoff: Backoff[str] = Backoff(first=0.1, longest=10.0)
        self._given: dict[str, str] = {}
        self._wake = asyncio.Event()

    def look(self, found: Object) -> None:
        if not found.view.spec.pod_cidr or not is_ready(found.view):
            self._queue.add(found.head.name)
            self._wake.set()

    async def run(self) -> None:
        """For ever; returns only by cancellation."""
        while True:
            self._wake.clear()
            now = self._env.monotonic()
            self._queue.advance(now)
            while (name := self._queue.take()) is not None:
                await self._speak(name)
                self._queue.done(name)
            due = self._queue.next_due()
            try:
                async with asyncio.timeout(None if due is None else max(due - now, 0.0)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _speak(self, name: str) -> None:
        found = self._nodes.get("", name)
        if found is None or found.head.deleting or (found.view.spec.pod_cidr and is_ready(found.view)):
            return
        try:
            block = found.view.spec.pod_cidr or await self._give_block(found)
            await self._heartbeats.renew(name)
            status = node_status(name, block, PLAIN, found.json().get("status") or {}, self._env.now())
            await self._rest.patch_status(NODES, "", name, {"status": status}, kind="strategic-merge")
            self._backoff.succeeded(name)
        except (ApiError, PoolFull, ValueError) as error:
            log.warning("simulated node %s: %s", name, error)
            self._queue.add_at(name, self._env.monotonic() + self._backoff.failed(name))

    async def _give_block(self, found: Object) -> str:
        room = int(found.view.status.allocatable.get("pods", PLAIN["pods"]))
        taken = [each.view.spec.pod_cidr for each in self._nodes.list() if each.view.spec.pod_cidr]
        # What was given a moment ago may not have been seen yet.
        block = self._given[found.head.name] = next(blocks(room, [*taken, *self._given.values()]))
        await self._rest.patch(NODES, "", found.head.name, {"spec": {"podCIDR": block, "podCIDRs": [block]}})
        return block


def is_ready(node: Node) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in node.status.conditions)
