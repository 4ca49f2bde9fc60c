"""CPU of the API server per 1,000 operations: reads, every kind of write, LIST of 500, watch deliveries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from .load import Connection, Target, closed_loop, opened
from .process import precise_cpu_seconds

NAMESPACE = "podling-bench"
BASE = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
WATCHERS = 50
BOUNDS = {
    "GET": 1.5,
    "create": 9.0,
    "update": 12.0,
    "merge patch": 12.0,
    "server-side apply": 25.0,
    "delete": 9.0,
    "LIST of 500": 30.0,
    "LIST of 500, resourceVersion=0": 30.0,
    f"watch, per 1,000 deliveries to {WATCHERS}": 0.6,
}
"""What we allow ourselves at 8 connections, in y (see `yardstick`)."""


def config_map(name: str, app: str = "written") -> bytes:
    """Of 1 KiB, as apibench's objects; with its managedFields a server answers with 1.5 KB."""
    data = {f"key-{index}": "x" * 165 for index in range(5)}
    labels = {"app": app, "number": name[-1], "tier": "load"}
    return json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": data}
    ).encode()


class Bench:
    """Runs the scenarios against one server whose CPU it reads by pid.

    `figures[label][connections]` are CPU seconds per 1,000 operations; `rounds` of each are run and the least is kept,
    because whatever else the machine does can only add to it.
    """

    def __init__(self, target: Target, pid: int, connections: tuple[int, ...], scale: int, rounds: int = 1) -> None:
        self._target, self._pid, self._connections, self._scale = target, pid, connections, scale
        self._rounds = rounds
        self._names = 0
        self.figures: dict[str, dict[int, float]] = {}

    async def run(self) -> None:
        await self._once("POST", "/api/v1/namespaces", _namespace())
        try:
            await self._fill(500)
            await self._scenario("GET", 2000, lambda c, n: c.request("GET", f"{BASE}/fixed-{n % 500}"))
            await self._writes()
            await self._scenario("LIST of 500", 50, lambda c, _: c.request("GET", BASE))
            rv0 = f"{BASE}?resourceVersion=0"
            await self._scenario("LIST of 500, resourceVersion=0", 50, lambda c, _: c.request("GET", rv0))
            await self._watch()
        finally:
            await self._once("DELETE", f"/api/v1/namespaces/{NAMESPACE}", b"")

    async def _writes(self) -> None:
        """All of them on the same objects, which are new for each round and number of connections."""
        operations = 500 * self._scale // 2
        for count in self._connections:
            for _ in range(self._rounds):
                self._names += 1
                for label, act in WRITES:

                    def one(c: Connection, n: int, act: Any = act, first: str = f"w{self._names}") -> Any:
                        return act(c, f"{first}-{n}")

                    self._keep(label, count, await self._measure(count, operations, one))

    async def _scenario(self, label: str, operations: int, one: Callable[[Connection, int], Any]) -> None:
        for count in self._connections:
            for _ in range(self._rounds):
                self._keep(label, count, await self._measure(count, operations * self._scale // 2, one))

    def _keep(self, label: str, connections: int, figure: float) -> None:
        found = self.figures.setdefault(label, {})
        found[connections] = min(figure, found.get(connections, figure))

    async def _measure(self, connections: int, operations: int, one: Callable[[Connection, int], Any]) -> float:
        async def checked(connection: Connection, number: int) -> None:
            status, body = await one(connection, number)
            if status >= 300:
                raise RuntimeError(f"{status}: {body[:300]!r}")

        async with opened(self._target, connections) as made:
            before = precise_cpu_seconds(self._pid)
            await closed_loop(made, operations, checked)
            return (precise_cpu_seconds(self._pid) - before) * 1000 / operations

    async def _watch(self) -> None:
        """Deliveries of creates to 50 watchers; what the same creates cost unwatched is taken off."""
        events = 100 * self._scale
        for _ in range(self._rounds):
            self._names += 1
            plain = await self._measure(8, events, partial(_create, app=f"plain{self._names}"))
            async with opened(self._target, WATCHERS) as watchers:
                label = f"watched{self._names}"
                for watcher in watchers:
                    await watcher.send("GET", f"{BASE}?watch=1&resourceVersion=0&labelSelector=app%3D{label}")
                    await watcher.head()
                before = precise_cpu_seconds(self._pid)
                readers = [asyncio.ensure_future(_deliveries(watcher, events)) for watcher in watchers]
                await self._measure(8, events, partial(_create, app=label))
                await asyncio.wait_for(asyncio.gather(*readers), 60)
                spent = precise_cpu_seconds(self._pid) - before - plain * events / 1000
            self._keep(f"watch, per 1,000 deliveries to {WATCHERS}", 8, spent * 1000 / (events * WATCHERS))

    async def _fill(self, count: int) -> None:
        async with opened(self._target, 8) as made:
            await closed_loop(made, count, lambda c, n: c.request("POST", BASE, config_map(f"fixed-{n}", "bench")))

    async def _once(self, verb: str, path: str, body: bytes) -> None:
        async with opened(self._target, 1) as made:
            status, answer = await made[0].request(verb, path, body)
        if status >= 300:
            raise RuntimeError(f"{verb} {path}: {answer[:300]!r}")


def _namespace() -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}).encode()


async def _deliveries(watcher: Connection, events: int) -> None:
    seen = 0
    async for piece in watcher.chunks():
        seen += piece.count(b'{"type":"ADDED"')
        if seen >= events:
            return


def _create(connection: Connection, name: str | int, app: str = "written") -> Any:
    return connection.request("POST", BASE, config_map(name if isinstance(name, str) else f"{app}-{name}", app))


def _patch(connection: Connection, name: str) -> Any:
    body = json.dumps({"data": {"patched": name}}).encode()
    return connection.request("PATCH", f"{BASE}/{name}", body, "application/merge-patch+json")


def _update(connection: Connection, name: str) -> Any:
    return connection.request("PUT", f"{BASE}/{name}", config_map(name, "updated"))


def _apply(connection: Connection, name: str) -> Any:
    path = f"{BASE}/{name}?fieldManager=bench&force=true"
    return connection.request("PATCH", path, config_map(name, "applied"), "application/apply-patch+yaml")


def _delete(connection: Connection, name: str) -> Any:
    return connection.request("DELETE", f"{BASE}/{name}")


WRITES = (
    ("create", _create),
    ("merge patch", _patch),
    ("update", _update),
    ("server-side apply", _apply),
    ("delete", _delete),
)
