"""Making and removing the nodes of a pool through the API, from the server's own process or from a command."""

from __future__ import annotations

from collections.abc import Sequence

from podling.api.errors import AlreadyExists, NotFound
from podling.api.objects import Object
from podling.client.resources import NODES
from podling.client.rest import Rest
from podling.env import Env
from podling.simulatednodes.marks import POOL, SIMULATED
from podling.simulatednodes.pool import Pool, blocks, missing, new_node, number_of, surplus
from podling.supervise import for_each


async def settle(rest: Rest, name: str, pool: Pool, env: Env) -> None:
    """Create the nodes that the pool lacks, delete those that are too many. Raises PoolFull, ApiError."""
    listing = await rest.transport.list(NODES)
    members = [found.head.name for found in listing.items if _is_member(found, name)]
    free = blocks(pool.pods, [found.view.spec.pod_cidr for found in listing.items if found.view.spec.pod_cidr])
    lacking = missing(name, pool, members, [found.head.name for found in listing.items])
    made = [new_node(name, pool, each, next(free), number_of(each) - 1, env.now()) for each in lacking]

    async def create(node: dict[str, object]) -> None:
        try:
            await rest.create(NODES, "", node)
        except AlreadyExists:
            return

    await for_each(made, create)
    await remove(rest, surplus(pool, members))


def _is_member(found: Object, pool: str) -> bool:
    return found.head.labels.get(SIMULATED) == "true" and found.head.labels.get(POOL) == pool


async def remove(rest: Rest, names: Sequence[str]) -> None:
    """Delete nodes; their Pods are collected as those of any node that is gone."""

    async def delete(name: str) -> None:
        try:
            await rest.delete(NODES, "", name)
        except NotFound:
            return

    await for_each(names, delete)
