"""Thousands of simulated nodes and Pods in a cluster as its user has it: over TLS, the server a process of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cluster import Measured
from .load import Connection, Target, closed_loop, opened
from .process import cpu_seconds

PODS = "/api/v1/namespaces/default/pods"
CONNECTIONS = 8
PATIENCE = 900.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took: seconds on the clock, and of the server's CPU."""

    seconds: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, {self.cpu:.1f} s of CPU"


class Fleet:
    """`with Fleet(folder, nodes) as fleet:` — a cluster of so many simulated nodes; `ready` is what they took."""

    def __init__(self, folder: Path, nodes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._nodes = nodes
        self._cluster = Measured(folder, "fleet", "--runtime", "fake", "--fake-nodes", str(nodes))

    def __enter__(self) -> Fleet:
        began = time.monotonic()
        self._cluster.__enter__()
        self.target = Target.load(self._cluster.kubeconfig)
        self.pid = int(self._cluster.status()["server"]["pid"])
        asyncio.run(self._all_ready())
        self.ready = Cost(time.monotonic() - began, cpu_seconds([self.pid]))
        return self

    def __exit__(self, *_: Any) -> None:
        self._cluster.__exit__(None, None, None)

    async def _all_ready(self) -> None:
        async with opened(self.target, 1) as (connection,):
            while True:
                _, body = await connection.request("GET", "/api/v1/nodes?resourceVersion=0")
                nodes = json.loads(body)["items"]
                if sum(map(_free, nodes)) >= self._nodes:
                    return
                await asyncio.sleep(0.25)

    def run(self, names: Iterable[str]) -> Cost:
        """Create these Pods and wait until all of them run."""
        wanted = list(names)

        async def create(connection: Connection, number: int) -> None:
            status, body = await connection.request("POST", PODS, json.dumps(pod(wanted[number])).encode())
            if status != 201:
                raise RuntimeError(f"a Pod was answered with {status}: {body[:300]!r}")

        return asyncio.run(self._measured(len(wanted), create, _runs))

    def delete(self, names: Iterable[str]) -> Cost:
        """Delete them one by one, as kubectl does, and wait until all are gone."""
        wanted = list(names)

        async def delete(connection: Connection, number: int) -> None:
            status, body = await connection.request("DELETE", f"{PODS}/{wanted[number]}")
            if status not in (200, 202):
                raise RuntimeError(f"a deletion was answered with {status}: {body[:300]!r}")

        return asyncio.run(self._measured(len(wanted), delete, lambda line: line.startswith(b'{"type":"DELETED"')))

    async def _measured(self, count: int, act: Callable[[Connection, int], Any], done: Callable[[bytes], bool]) -> Cost:
        """Until the watch has told of `count` different Pods that they are done."""
        async with opened(self.target, CONNECTIONS + 1) as (watching, *connections):
            _, body = await watching.request("GET", f"{PODS}?limit=1")
            revision = json.loads(body)["metadata"]["resourceVersion"]
            await watching.send("GET", f"{PODS}?watch=true&resourceVersion={revision}")
            await watching.head()
            before, began = cpu_seconds([self.pid]), time.monotonic()
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(closed_loop(connections, count, act), _until(watching, count, done))
            return Cost(time.monotonic() - began, cpu_seconds([self.pid]) - before)


async def _until(watching: Connection, count: int, done: Callable[[bytes], bool]) -> None:
    seen: set[bytes] = set()
    rest = b""
    async for piece in watching.chunks():
        *lines, rest = (rest + piece).split(b"\n")
        # The uid tells the Pods apart; it is the first in an object.
        seen.update(line.partition(b'"uid":"')[2][:36] for line in lines if done(line))
        if len(seen) >= count:
            return


def _runs(line: bytes) -> bool:
    return b'"phase":"Running"' in line


def _free(node: dict[str, Any]) -> bool:
    """Ready, and nothing keeps Pods from it any more."""
    ready = any((each["type"], each["status"]) == ("Ready", "True") for each in node["status"].get("conditions", ()))
    return ready and not node["spec"].get("taints") and "podling.dev/simulated" in node["metadata"]["labels"]


def pod(name: str) -> dict[str, Any]:
    requests = {"cpu": "100m", "memory": "100Mi"}
    container = {"name": "main", "image": "registry.example/app:1", "resources": {"requests": requests}}
    metadata = {"name": name, "labels": {"app": "fleet"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
