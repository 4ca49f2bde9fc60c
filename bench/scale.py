"""The control plane at the size of a large cluster: how fast, at what cost, and how long it holds its loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from podling.api.objects import Object
from podling.client.resources import NODES, PODS, REPLICASETS
from podling.simulatednodes.pool import Pool
from podling.simulatednodes.registration import settle
from podling.supervise import Supervisor, for_each

from .fleet import Cost, Fleet
from .plane import Holding, Plane, plane
from .report import row, title

Found = TypeVar("Found")
MANY_NODES, MANY_PODS = 5_000, 10_000
ZONES = 10
PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class Bound:
    """Bindings from the first to the last."""

    pods: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.pods / self.seconds

    def __str__(self) -> str:
        return f"{self.rate:.0f} Pods/s, {1000 * self.cpu / self.pods:.2f} ms of CPU a Pod"


def bound(folder: Path, *, nodes: int = MANY_NODES, pods: int = MANY_PODS, shapes: int = 1) -> Bound:
    """Pods created beforehand, then a scheduler that finds them; nobody runs them. More than one shape: each has a
    request of its own and is spread over zones (hard) and hosts (softly)."""
    folder.mkdir(parents=True, exist_ok=True)
    return uvloop.run(_bound(folder, nodes, pods, shapes))


async def _bound(folder: Path, nodes: int, pods: int, shapes: int) -> Bound:
    async with plane(folder) as made:
        await settle(made.rest, "fake", Pool(count=nodes, zones=ZONES), made.env)
        await _free(made)
        await made.pods([_shaped(number, shapes) for number in range(pods)])
        seen = made.informers.of(PODS)
        await seen.wait_synced()
        times: list[float] = []

        def changed(old: Object | None, new: Object | None) -> None:
            if old is not None and new is not None and not old.view.spec.node_name and new.view.spec.node_name:
                times.append(time.monotonic())

        seen.on_change(changed)
        before = time.process_time()
        made.scheduler()
        async with asyncio.timeout(PATIENCE):
            await seen.wait_until(lambda: len(times) == pods)
        return Bound(pods, times[-1] - times[0], time.process_time() - before)


async def _free(made: Plane) -> None:
    """No controller is there that would take the taint of a new node away."""
    nodes = made.informers.of(NODES)
    await nodes.wait_synced()

    async def untaint(found: Object) -> None:
        await made.rest.patch(NODES, "", found.head.name, {"spec": {"taints": None}})

    await for_each(nodes.list(), untaint)


def _shaped(number: int, shapes: int) -> dict[str, Any]:
    shape = number % shapes
    labels = {"app": f"app-{shape}"}
    requests = {"cpu": f"{100 + shape}m", "memory": "500Mi"}
    spec: dict[str, Any] = {"containers": [{"name": "main", "image": "app", "resources": {"requests": requests}}]}
    if shapes > 1:
        spec["topologySpreadConstraints"] = [
            _spread("topology.kubernetes.io/zone", "DoNotSchedule", labels),
            _spread("kubernetes.io/hostname", "ScheduleAnyway", labels),
        ]
    metadata = {"name": f"pod-{number}", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _spread(key: str, unsatisfiable: str, labels: dict[str, str]) -> dict[str, Any]:
    selector = {"matchLabels": labels}
    return {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": unsatisfiable, "labelSelector": selector}


@dataclass(frozen=True, slots=True)
class Scaled:
    """One way of a ReplicaSet: what it took, the longest time one callback held the loop, and its longest turn (CPU
    seconds of its thread)."""

    cost: Cost
    held: float
    turn: float

    def __str__(self) -> str:
        held = f"loop held for {1000 * self.held:.1f} ms at most, its longest turn {1000 * self.turn:.1f} ms"
        return f"{self.cost}, {held}"


def _alone(work: Callable[..., Coroutine[Any, Any, Found]], *details: Any) -> Found:
    """In a process of its own, which begins as empty as a server's and inherits no other measurement's heap."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_run, work, *details).result()


def _run(work: Callable[..., Coroutine[Any, Any, Found]], *details: Any) -> Found:
    return asyncio.run(work(*details))


def scaled(folder: Path, *, pods: int = MANY_PODS, nodes: int = 1_000) -> tuple[Scaled, Scaled]:
    """One ReplicaSet from 0 to `pods` and back, with all controllers, the scheduler and simulated nodes."""
    folder.mkdir(parents=True, exist_ok=True)
    return _alone(_scaled, folder, pods, nodes)


async def _scaled(folder: Path, pods: int, nodes: int) -> tuple[Scaled, Scaled]:
    async with plane(folder) as made:
        made.controllers()
        made.scheduler()
        made.simulated_nodes()
        await settle(made.rest, "fake", Pool(count=nodes, zones=ZONES), made.env)
        await made.rest.create(REPLICASETS, "default", _replica_set())
        with Holding() as holding:
            async with Supervisor() as tasks:
                tasks.start("holding", holding.watch())
                up = await _scale(made, holding, pods)
                return up, await _scale(made, holding, 0)


async def _scale(made: Plane, holding: Holding, replicas: int) -> Scaled:
    """Until the ReplicaSet says that so many are ready and no other Pod is left."""
    sets, seen = made.informers.of(REPLICASETS), made.informers.of(PODS)

    def settled() -> bool:
        found = sets.get("default", "big")
        said = found is not None and found.view.status.ready_replicas == replicas
        return said and len(seen.list()) == replicas

    await asyncio.sleep(1)  # what the nodes' coming has left behind is not measured
    holding.reset()
    before, began = time.process_time(), time.monotonic()
    await made.rest.patch(REPLICASETS, "default", "big", {"spec": {"replicas": replicas}})
    async with asyncio.timeout(PATIENCE):
        await sets.wait_until(settled)
    return Scaled(Cost(time.monotonic() - began, time.process_time() - before), holding.longest, holding.turn)


def _replica_set() -> dict[str, Any]:
    labels = {"app": "big"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "app"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "big"}, "spec": spec}


@dataclass(frozen=True, slots=True)
class Growth:
    """CPU seconds of the server per Pod, from its creation to its running, in a small and in a large cluster."""

    small: float
    large: float

    @property
    def ratio(self) -> float:
        return self.large / self.small

    def __str__(self) -> str:
        return f"{self.ratio:.2f} times ({1000 * self.small:.2f} ms a Pod, then {1000 * self.large:.2f} ms)"


def growth(folder: Path, *, small: int = 1_000, large: int = 50_000) -> Growth:
    """The first Pods of a cluster against all of many, on the same nodes."""
    nodes = -(-large // 100)
    with Fleet(folder, nodes) as fleet:
        first = fleet.run(f"small-{number}" for number in range(small))
        rest = fleet.run(f"large-{number}" for number in range(large - small))
    return Growth(first.cpu / small, (first.cpu + rest.cpu) / large)


def scale(folder: Path) -> None:
    """All of it, printed."""
    title(f"{MANY_NODES} simulated nodes, {MANY_PODS} Pods")
    with Fleet(folder / "fleet", MANY_NODES) as fleet:
        row("all nodes Ready, from the start of the cluster", str(fleet.ready))
        names = [f"pod-{number}" for number in range(MANY_PODS)]
        row("all Pods Running", str(fleet.run(names)))
        row("all Pods deleted", str(fleet.delete(names)))
    row("bound, identical Pods", str(bound(folder / "identical")))
    row("bound, 100 shapes spread over zones", str(bound(folder / "shapes", shapes=100)))
    up, down = scaled(folder / "replicaset")
    row("a ReplicaSet scaled up", str(up))
    row("and down", str(down))
    row("CPU a Pod, 50,000 against 1,000", str(growth(folder / "growth")))
