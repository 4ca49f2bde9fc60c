"""The containers of a node as its keeper holds them.

Asked of the keeper itself, so that it works whatever server and node process do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from podling.keeper.client import KeeperClient
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
    node: str = ""


def containers(folder: Path, node: str = "") -> tuple[Running, ...]:
    """Newest of each container of each Pod; empty where no keeper runs. Raises PermissionError."""
    return asyncio.run(_containers(folder, node)) if find_keeper(folder) else ()


async def _containers(folder: Path, node: str) -> tuple[Running, ...]:
    client = KeeperClient(folder / "keeper.sock")
    try:
        records = (await client.call("inventory"))["containers"]
    finally:
        client.close()
    newest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for record in sorted(records, key=lambda each: float(each["created_at"])):
        labels: Mapping[str, str] = record["labels"]["labels"]
        newest[labels.get(NAMESPACE, ""), labels.get(POD, ""), labels.get(CONTAINER, record["id"])] = record
    return tuple(
        Running(namespace, pod, name, record["state"], record["host_pid"], record["exit_code"], node)
        for (namespace, pod, name), record in newest.items()
    )
