"""The containers of a node as its keeper holds them: for `status`, and to end them in order when a cluster stops.

Asked of the keeper itself, so that it works whatever server and node process do.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from podling.keeper.client import KeeperClient, KeeperGone, KeeperRefused
from podling.keeper.launch import find_keeper

POD, NAMESPACE = "io.kubernetes.pod.name", "io.kubernetes.pod.namespace"
CONTAINER = "io.kubernetes.container.name"


class Running(msgspec.Struct, frozen=True):
    """One container; `pid` as this machine counts, 0 where it does not run."""

    namespace: str
    pod: str
    container: str
    state: str
    pid: int
    exit_code: int


def containers(node: Path) -> tuple[Running, ...]:
    """Newest of each container of each Pod; empty where no keeper runs. Raises PermissionError."""
    return asyncio.run(_containers(node)) if find_keeper(node) else ()


def terminate(node: Path, grace: float) -> None:
    """SIGTERM to every container; returns when all have ended, after `grace` seconds at the latest."""
    if find_keeper(node):
        asyncio.run(_terminate(node, grace))


async def _containers(node: Path) -> tuple[Running, ...]:
    client = KeeperClient(node / "keeper.sock")
    try:
        records = (await client.call("inventory"))["containers"]
    finally:
        client.close()
    newest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for record in sorted(records, key=lambda each: float(each["created_at"])):
        labels: Mapping[str, str] = record["labels"]
        newest[labels.get(NAMESPACE, ""), labels.get(POD, ""), labels.get(CONTAINER, record["id"])] = record
    return tuple(
        Running(namespace, pod, name, record["state"], record["host_pid"], record["exit_code"])
        for (namespace, pod, name), record in newest.items()
    )


async def _terminate(node: Path, grace: float) -> None:
    client = KeeperClient(node / "keeper.sock")
    try:
        async with asyncio.timeout(grace), client.events() as events:
            left = await _signal_all(client)
            while left:
                event = await anext(events)
                if event["kind"] == "exited":
                    left.discard(event["id"])
    except (TimeoutError, KeeperGone, StopAsyncIteration):
        return  # the keeper's end is theirs
    finally:
        client.close()


async def _signal_all(client: KeeperClient) -> set[str]:
    running = [
        record["id"] for record in (await client.call("inventory"))["containers"] if record["state"] == "running"
    ]
    for name in running:
        try:
            await client.call("kill_container", id=name, signal=int(signal.SIGTERM))
        except KeeperRefused:
            continue  # it ended by itself meanwhile
    return set(running)
