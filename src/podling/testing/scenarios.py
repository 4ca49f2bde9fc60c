"""Stories of a simulated control plane; `python -m podling.testing.scenarios SEED` prints the log of one.

Each ends with the control plane at rest in the state that was asked for, else it raises: faults may delay the outcome
and must never change it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from podling.api.errors import NotFound
from podling.client.resources import PODS, REPLICASETS
from podling.client.rest import Rest
from podling.client.transport import Resource
from podling.env import Env
from podling.testing import virtualtime
from podling.testing.faults import Faults
from podling.testing.simulation import Simulation

ROUGH = Faults(lost_watch=0.03, expired_watch=0.02, conflict=0.05, lost_request=0.03, lost_answer=0.03, delay=0.01)
DEADLINE = 600.0
"""Virtual seconds in which every state asked for has to come."""


class NeverHappened(Exception):
    """The state that was waited for did not come; says what stood instead."""


def replica_set(name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "x"}]}},
        },
    }


async def items(rest: Rest, resource: Resource, namespace: str = "default") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await rest.transport.request("GET", resource.path(namespace))).object["items"]
    return found


async def ready_replicas(rest: Rest, env: Env, name: str, count: int) -> None:
    """Until exactly `count` Pods of the ReplicaSet stand, all ready, and its status says so."""
    deadline = env.monotonic() + DEADLINE
    while True:
        pods = [pod for pod in await items(rest, PODS) if pod["metadata"]["labels"]["app"] == name]
        status = (await rest.get(REPLICASETS, "default", name)).object.get("status", {})
        if len(pods) == status.get("replicas") == status.get("readyReplicas", 0) == count:
            return
        if env.monotonic() > deadline:
            raise NeverHappened(f"{name}: wanted {count}, has {len(pods)} Pods, status {status}")
        await env.sleep(0.25)


async def no_pods(rest: Rest, env: Env) -> None:
    deadline = env.monotonic() + DEADLINE
    while pods := await items(rest, PODS):
        if env.monotonic() > deadline:
            raise NeverHappened(f"{len(pods)} Pods are left: {[pod['metadata']['name'] for pod in pods]}")
        await env.sleep(0.25)


async def scale(rest: Rest, name: str, replicas: int) -> None:
    await rest.patch(REPLICASETS, "default", name, {"spec": {"replicas": replicas}})


async def gone(rest: Rest, resource: Resource, name: str) -> bool:
    try:
        await rest.get(resource, "default", name)
    except NotFound:
        return True
    return False


async def two_replica_sets(seed: int, faults: Faults = ROUGH, folder: Path | None = None) -> list[str]:
    """Two ReplicaSets made, scaled up and down, one deleted in the background, one in the foreground."""
    async with Simulation(seed, nodes=2, faults=faults, folder=folder).running() as simulation:
        rest, env = simulation.rest, simulation.env
        for name, replicas in (("one", 3), ("two", 5)):
            await rest.create(REPLICASETS, "default", replica_set(name, replicas))
        await ready_replicas(rest, env, "one", 3)
        await ready_replicas(rest, env, "two", 5)
        await scale(rest, "one", 8)
        await scale(rest, "two", 1)
        await ready_replicas(rest, env, "one", 8)
        await ready_replicas(rest, env, "two", 1)
        await rest.delete(REPLICASETS, "default", "one", propagation="Background")
        await rest.delete(REPLICASETS, "default", "two", propagation="Foreground")
        await no_pods(rest, env)
        while not (await gone(rest, REPLICASETS, "one") and await gone(rest, REPLICASETS, "two")):
            await env.sleep(0.25)
        return simulation.log


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--folder", type=Path, help="run real kubelets on the simulated runtime, with their files here")
    chosen = parser.parse_args()
    for line in virtualtime.run(two_replica_sets(chosen.seed, folder=chosen.folder)):
        print(line)


if __name__ == "__main__":
    main()
