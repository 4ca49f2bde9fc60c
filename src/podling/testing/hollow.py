"""A hollow node: as much of a kubelet as the control plane needs to see, on a simulated runtime.

It registers, renews its Lease, starts what is bound to it, reports what the runtime says and lets go of what is
deleted. Readiness is that all containers run; there are no volumes, probes or logs. For simulations of thousands of
Pods, where the real kubelet's files would only be in the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from podling.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from podling.api.objects import Object
from podling.client.informer import Informer
from podling.client.resources import LEASES, NODES, PODS
from podling.client.rest import Rest
from podling.client.transport import Transport
from podling.client.workqueue import Backoff, WorkQueue
from podling.env import Env, rfc3339, rfc3339_micro
from podling.runtime.interface import Container, ContainerConfig, Runtime, RuntimeFailure, SandboxConfig
from podling.supervise import Supervisor

RENEW_EVERY = 10.0
LEASE_NAMESPACE = "kube-node-lease"
log = logging.getLogger(__name__)

Json = dict[str, Any]


class HollowNode:
    """`run` until cancelled; whatever was running is then still held by the runtime."""

    def __init__(
        self,
        name: str,
        transport: Transport,
        runtime: Runtime,
        env: Env,
        *,
        capacity: dict[str, str],
    ) -> None:
        self._name, self._runtime, self._env = name, runtime, env
        self._capacity = capacity
        self._rest = Rest(transport)
        self._pods = Informer(transport, PODS, env, field_selector=f"spec.nodeName={name}")
        self._queue: WorkQueue[str] = WorkQueue()
        self._backoff: Backoff[str] = Backoff(first=0.05, longest=10.0)
        self._wake = asyncio.Event()

    async def run(self) -> None:
        async with Supervisor() as tasks:
            tasks.start(f"{self._name} lease", self._keep_alive())
            tasks.start(f"{self._name} pods", self._pods.run())
            tasks.start(f"{self._name} runtime", self._follow_runtime())
            tasks.start(f"{self._name} queue", self._work(tasks))
            await tasks.wait()

    async def _keep_alive(self) -> None:
        registered = False
        while True:
            try:
                if not registered:
                    await self._register()
                    registered = True
                await self._renew()
                await self._env.sleep(RENEW_EVERY)
                # As a kubelet, it puts right what was said of it while it was thought lost.
                registered = await self._is_well()
            except ApiError as error:
                log.info("%s: %s", self._name, error)
                await self._env.sleep(0.5)

    async def _is_well(self) -> bool:
        status = (await self._rest.get(NODES, "", self._name)).object.get("status", {})
        return any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ())

    async def _register(self) -> None:
        # By the second label the metrics API answers for its Pods, as for all that are simulated.
        labels = {"kubernetes.io/hostname": self._name, "podling.dev/simulated": "true"}
        metadata = {"name": self._name, "labels": labels}
        with contextlib.suppress(AlreadyExists):
            await self._rest.create(NODES, "", {"apiVersion": "v1", "kind": "Node", "metadata": metadata})
        node = (await self._rest.get(NODES, "", self._name)).object
        now = rfc3339(self._env.now())
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": f"hollow node, {self._runtime.name} runtime: Pods are simulated",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        node["status"] = node.get("status", {}) | {
            "capacity": self._capacity,
            "allocatable": self._capacity,
            "conditions": [ready],
        }
        await self._rest.update_status(NODES, "", self._name, node)

    async def _renew(self) -> None:
        now = rfc3339_micro(self._env.now())
        spec = {"holderIdentity": self._name, "leaseDurationSeconds": 40, "renewTime": now}
        try:
            await self._rest.patch(LEASES, LEASE_NAMESPACE, self._name, {"spec": spec})
        except NotFound:
            lease = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self._name, "namespace": LEASE_NAMESPACE},
                "spec": spec,
            }
            await self._rest.create(LEASES, LEASE_NAMESPACE, lease)

    async def _follow_runtime(self) -> None:
        self._pods.on_change(self._changed)
        async with self._runtime.events() as events:
            async for event in events:
                sandboxes, _ = await self._runtime.list()
                for sandbox in sandboxes:
                    if sandbox.id == event.sandbox:
                        self._add(f"core/pods/{sandbox.namespace}/{sandbox.name}")

    def _changed(self, old: Object | None, new: Object | None) -> None:
        found = new or old
        if found is not None:
            self._add(found.key)

    def _add(self, key: str) -> None:
        self._queue.add(key)
        self._wake.set()

    async def _work(self, tasks: Supervisor) -> None:
        while True:
            self._wake.clear()
            self._queue.advance(self._env.monotonic())
            while (key := self._queue.take()) is not None:
                tasks.start(f"{self._name} {key}", self._sync(key))
            due = self._queue.next_due()
            try:
                async with asyncio.timeout(None if due is None else max(due - self._env.monotonic(), 0.0)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _sync(self, key: str) -> None:
        try:
            await self._drive(key)
            self._backoff.succeeded(key)
        except (ApiError, RuntimeFailure) as error:
            log.info("%s: %s: %s", self._name, key, error)
            self._queue.add_at(key, self._env.monotonic() + self._backoff.failed(key))
        finally:
            self._queue.done(key)
            self._wake.set()

    async def _drive(self, key: str) -> None:
        found = self._pods.by_key(key)
        await self._forget_others(key, found.head.uid if found is not None else "")
        if found is None:
            return
        if found.head.deleting:
            await self._let_go(found)
            return
        containers = await self._containers(found)
        if _is_begun_only(found, containers) and found.view.status.phase not in ("Succeeded", "Failed"):
            await self._start(found)
            containers = await self._containers(found)
        await self._report(found, containers)

    async def _forget_others(self, key: str, uid: str) -> None:
        """Sandboxes of a Pod of this name that is no longer."""
        for sandbox in (await self._runtime.list())[0]:
            if f"core/pods/{sandbox.namespace}/{sandbox.name}" == key and sandbox.pod_uid != uid:
                await self._runtime.remove_sandbox(sandbox.id)

    async def _containers(self, found: Object) -> list[Container]:
        return [each for each in (await self._runtime.list())[1] if each.sandbox == found.head.uid]

    async def _start(self, found: Object) -> None:
        pod, uid = found.view, found.head.uid
        await self._runtime.run_sandbox(SandboxConfig(uid, uid, found.head.namespace, found.head.name, found.head.name))
        for container in pod.spec.containers:
            image = await self._runtime.ensure_image(container.image, "IfNotPresent")
            identity = f"{uid}-{container.name}"
            await self._runtime.create_container(uid, ContainerConfig(identity, container.name, image.id))
            await self._runtime.start_container(identity)

    async def _let_go(self, found: Object) -> None:
        grace = float(found.view.metadata.deletion_grace_period_seconds or 0)
        for container in await self._containers(found):
            await self._runtime.stop_container(container.id, grace)
        await self._runtime.remove_sandbox(found.head.uid)
        try:
            await self._rest.delete(PODS, found.head.namespace, found.head.name, uid=found.head.uid, grace=0)
        except (NotFound, Conflict):
            return

    async def _report(self, found: Object, containers: list[Container]) -> None:
        body = found.json()
        before = body.get("status") or {}
        status = before | self._status(found, before, containers, await self._address(found))
        if status != before:
            await self._rest.update_status(PODS, found.head.namespace, found.head.name, body | {"status": status})

    async def _address(self, found: Object) -> str:
        return next((each.ip for each in (await self._runtime.list())[0] if each.id == found.head.uid), "")

    def _status(self, found: Object, before: Json, containers: list[Container], ip: str) -> Json:
        running = bool(containers) and all(each.state == "running" for each in containers)
        ended = bool(containers) and all(each.state == "exited" for each in containers)
        failed = any(each.exit_code for each in containers)
        phase = ("Failed" if failed else "Succeeded") if ended else "Running" if running else "Pending"
        known = {each["type"]: each for each in before.get("conditions") or ()}
        now = rfc3339(self._env.now())
        for kind, value in (
            ("PodScheduled", True),
            ("Initialized", True),
            ("ContainersReady", running),
            ("Ready", running),
        ):
            text = "True" if value else "False"
            if known.get(kind, {}).get("status") != text:
                known[kind] = {"type": kind, "status": text, "lastTransitionTime": now}
        out: Json = {"phase": phase, "conditions": list(known.values()), "startTime": before.get("startTime") or now}
        if ip:
            out |= {"podIP": ip, "podIPs": [{"ip": ip}]}
        return out


def _is_begun_only(found: Object, containers: list[Container]) -> bool:
    """Some container is missing or was never started: nothing was done yet, or its node ended in the midst of it."""
    return len(containers) < len(found.view.spec.containers) or any(each.state == "created" for each in containers)
