"""CPU of the API server per 1,000 operations: GET, create, update, patch, delete, LIST of 500, watch deliveries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from .load import Connection, Target, closed_loop
from .process import precise_cpu_seconds
from .report import row, title

NAMESPACE = "podling-bench"
BASE = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
WATCHERS = 50


def config_map(name: str) -> bytes:
    """About 1.5 KB, as the yardstick's objects."""
    data = {f"key-{index}": "x" * 60 for index in range(18)}
    labels = {"app": "bench", "number": name[-1]}
    return json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": data}
    ).encode()


class Bench:
    """Runs the scenarios against one server whose CPU it reads by pid."""

    def __init__(self, target: Target, pid: int, connections: tuple[int, ...], scale: int) -> None:
        self._target, self._pid, self._connections, self._scale = target, pid, connections, scale

    async def run(self) -> None:
        title("CPU seconds of the server per 1,000 operations (ConfigMap of 1.5 KB, TLS)")
        row("", *(f"c={count}" for count in self._connections))
        await self._once("POST", "/api/v1/namespaces", _namespace())
        try:
            await self._fill(500)
            await self._scenario("GET", 2000, lambda c, n: c.request("GET", f"{BASE}/fixed-{n % 500}"))
            await self._writes()
            await self._scenario("LIST of 500", 50, lambda c, _: c.request("GET", BASE + "?labelSelector=app%3Dbench"))
            rv0 = f"{BASE}?resourceVersion=0"
            await self._scenario("LIST of 500, resourceVersion=0", 50, lambda c, _: c.request("GET", rv0))
            await self._watch()
        finally:
            await self._once("DELETE", f"/api/v1/namespaces/{NAMESPACE}", b"")

    async def _writes(self) -> None:
        made: dict[int, int] = {}
        operations = 500 * self._scale // 2
        for label, act in (("create", _create), ("merge patch", _patch), ("update", _update), ("delete", _delete)):
            figures = []
            for count in self._connections:
                made.setdefault(count, operations)

                def one(c: Connection, n: int, act: Any = act, count: int = count) -> Any:
                    return act(c, f"w{count}-{n}")

                figures.append(await self._measure(count, operations, one))
            row(label, *figures)

    async def _scenario(self, label: str, operations: int, one: Callable[[Connection, int], Any]) -> None:
        row(label, *[await self._measure(count, operations * self._scale // 2, one) for count in self._connections])

    async def _measure(self, connections: int, operations: int, one: Callable[[Connection, int], Any]) -> str:
        async def checked(connection: Connection, number: int) -> None:
            status, body = await one(connection, number)
            if status >= 300:
                raise RuntimeError(f"{status}: {body[:300]!r}")

        before = precise_cpu_seconds(self._pid)
        await closed_loop(self._target, connections, operations, checked)
        return f"{(precise_cpu_seconds(self._pid) - before) * 1000 / operations:.4f}"

    async def _watch(self) -> None:
        """Deliveries of creates to 50 watchers; the creates' own cost, measured before, is taken off."""
        events = 100 * self._scale
        path = f"{BASE}?watch=1&resourceVersion=0&labelSelector=app%3Dwatched"
        watchers = [await Connection.open(self._target) for _ in range(WATCHERS)]
        for watcher in watchers:
            await watcher.send("GET", path)
            await watcher.head()
        create = float(await self._measure(8, events, lambda c, n: _create(c, f"unwatched-{n}")))
        before = precise_cpu_seconds(self._pid)
        readers = [asyncio.ensure_future(_deliveries(watcher, events)) for watcher in watchers]
        body = config_map("x").replace(b'"bench"', b'"watched"')
        await closed_loop(
            self._target,
            8,
            events,
            lambda c, n: c.request("POST", BASE, body.replace(b'"name": "x"', b'"name": "watched-%d"' % n)),
        )
        await asyncio.wait_for(asyncio.gather(*readers), 60)
        spent = precise_cpu_seconds(self._pid) - before - create * events / 1000
        for watcher in watchers:
            watcher.close()
        row(f"watch, per 1,000 deliveries to {WATCHERS}", "", f"{spent * 1000 / (events * WATCHERS):.4f}")

    async def _fill(self, count: int) -> None:
        await closed_loop(self._target, 8, count, lambda c, n: c.request("POST", BASE, config_map(f"fixed-{n}")))

    async def _once(self, verb: str, path: str, body: bytes) -> None:
        connection = await Connection.open(self._target)
        await connection.request(verb, path, body)
        connection.close()


def _namespace() -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}).encode()


async def _deliveries(watcher: Connection, events: int) -> None:
    seen = 0
    async for piece in watcher.chunks():
        seen += piece.count(b'{"type":"ADDED"')
        if seen >= events:
            return


def _create(connection: Connection, name: str) -> Any:
    body = config_map(name).replace(b'"bench"', b'"written"')
    return connection.request("POST", BASE, body)


def _patch(connection: Connection, name: str) -> Any:
    body = json.dumps({"data": {"patched": name}}).encode()
    return connection.request("PATCH", f"{BASE}/{name}", body, "application/merge-patch+json")


def _update(connection: Connection, name: str) -> Any:
    body = config_map(name).replace(b'"bench"', b'"updated"')
    return connection.request("PUT", f"{BASE}/{name}", body)


def _delete(connection: Connection, name: str) -> Any:
    return connection.request("DELETE", f"{BASE}/{name}")
