"""A writer that is cut off: it creates ConfigMaps until the server is gone, and knows which were acknowledged."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path

from bench.load import Connection, Target

PATH = "/api/v1/namespaces/default/configmaps"
WRITERS = 4


def write_until_refused(kubeconfig: Path, round_: int) -> list[str]:
    """The names whose creation was answered with 201."""
    acknowledged: list[str] = []
    asyncio.run(_write_all(Target.load(kubeconfig), round_, acknowledged))
    return acknowledged


async def _write_all(target: Target, round_: int, acknowledged: list[str]) -> None:
    await asyncio.gather(*(_write(target, round_, index, acknowledged) for index in range(WRITERS)))


async def _write(target: Target, round_: int, index: int, acknowledged: list[str]) -> None:
    try:
        connection = await Connection.open(target)
        for number in range(100_000):
            name = f"w{round_}-{index}-{number}"
            body = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": name, "labels": {"round": f"r{round_}"}},
                "data": {"a": name, "b": name * 20},
            }
            status, _ = await connection.request("POST", PATH, json.dumps(body).encode())
            if status == 201:
                acknowledged.append(name)
    except (OSError, EOFError, ssl.SSLError):
        return  # the server was killed: that is what we are here for
