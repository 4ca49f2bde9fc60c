"""Keeps the Node object and its Lease up to date.

The Lease is the heartbeat (every 10 s, one small patch); the status is written when something changed, and every five
minutes otherwise, as upstream does since KEP-589, so an idle node costs next to nothing.
"""

from __future__ import annotations

import logging
from typing import Any

from podling.api.errors import AlreadyExists, ApiError, NotFound
from podling.client.resources import LEASES, NODES
from podling.client.rest import Rest
from podling.env import Env, rfc3339_micro
from podling.kubelet.config import KubeletConfig
from podling.kubelet.machine import Machine, read_pressure
from podling.kubelet.node import changed, new_lease, new_node, node_annotations, node_labels, node_status
from podling.runtime.interface import Runtime, RuntimeFailure

LEASE_NAMESPACE = "kube-node-lease"
RETRY = 0.2
log = logging.getLogger(__name__)


class NodeAgent:
    def __init__(self, config: KubeletConfig, rest: Rest, runtime: Runtime, env: Env, machine: Machine) -> None:
        self._config, self._rest, self._runtime, self._env, self._machine = config, rest, runtime, env, machine
        self._status: dict[str, Any] = {}
        self._written_at = 0.0
        self.uid = ""

    async def run(self) -> None:
        """For ever: register, then heartbeats. Failures of the API are waited out."""
        registered = False
        while True:
            try:
                if not registered:
                    await self._register()
                    registered = True
                await self._renew()
                await self._report()
            except NotFound as error:
                # The Node was deleted under us (or its namespace is not there yet): register again.
                log.info("node %s: %s", self._config.node_name, error)
                registered = False
                await self._env.sleep(RETRY)
                continue
            except (ApiError, RuntimeFailure, OSError) as error:
                log.info("node %s: %s", self._config.node_name, error)
                await self._env.sleep(RETRY if not registered else 1.0)
                continue
            await self._env.sleep(self._config.renew_every)

    async def _register(self) -> None:
        wanted = new_node(self._config, self._machine)
        try:
            node = (await self._rest.create(NODES, "", wanted)).object
        except AlreadyExists:
            labels = node_labels(self._config, self._machine)
            metadata = {"annotations": node_annotations(self._config), "labels": labels}
            patch = {"metadata": metadata, "spec": {"providerID": self._config.provider_id or None}}
            node = (await self._rest.patch(NODES, "", self._config.node_name, patch)).object
        self.uid = node["metadata"]["uid"]
        self._status = node.get("status") or {}
        self._written_at = 0.0
        await self._report()

    async def _report(self) -> None:
        config, now = self._config, self._env.now()
        pressure = read_pressure(config.state, config.memory_pressure_below, config.disk_pressure_below)
        runtime = f"{self._runtime.name}://{self._runtime.version}"
        images = await self._runtime.images()
        status = node_status(config, self._machine, pressure, runtime, images, self._status, now)
        if not changed(self._status, status) and now - self._written_at < config.status_every:
            return
        await self._rest.patch_status(NODES, "", config.node_name, {"status": status}, kind="strategic-merge")
        self._status, self._written_at = status, now

    async def _renew(self) -> None:
        config, now = self._config, self._env.now()
        patch = {"spec": {"renewTime": rfc3339_micro(now)}}
        try:
            await self._rest.patch(LEASES, LEASE_NAMESPACE, config.node_name, patch)
        except NotFound:
            # Where a Node is deleted its Lease goes with it: then it is the Node that has to be made again first.
            await self._rest.get(NODES, "", config.node_name)
            await self._rest.create(LEASES, LEASE_NAMESPACE, new_lease(config, self.uid, now))
