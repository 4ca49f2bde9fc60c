"""Adding, listing and deleting nodes of a running cluster, through its API and as its administrator."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from podling.api.errors import ApiError, NotFound
from podling.api.objects import Object
from podling.client.http1 import Address
from podling.client.https import HttpsTransport, client_context
from podling.client.resources import NODES, PODS
from podling.client.rest import Rest
from podling.env import Env
from podling.simulatednodes.marks import POOL, SIMULATED
from podling.simulatednodes.pool import Pool, PoolFull
from podling.simulatednodes.registration import remove, settle

from .objects import ensure, ways_in
from .paths import ClusterPaths
from .process import Process
from .spec import API_PORT, ClusterSpec, SpecError, load, locked, refuse_pool, save
from .stop import PROCESS_SECONDS, end_nodes, remove_node

T = TypeVar("T")


class NodesError(Exception):
    """It could not be done; the message is for the user."""


class Listed(msgspec.Struct, frozen=True):
    """A node of its own, or a pool of simulated ones."""

    name: str
    kind: str
    nodes: int
    ready: int
    version: str


def add(paths: ClusterPaths, spec: ClusterSpec, name: str, pool: Pool, env: Env) -> Pool:
    """`pool.count` more nodes for the pool, which is then as said here; the pool as it is now."""
    try:
        refuse_pool(spec, name)
    except SpecError as error:
        raise NodesError(str(error)) from error
    known = spec.pools.get(name)
    grown = msgspec.structs.replace(pool, count=pool.count + (known.count if known is not None else 0))
    _through_api(paths, spec, lambda rest: settle(rest, name, grown, env))
    save(paths, msgspec.structs.replace(spec, pools=spec.pools | {name: grown}))
    return grown


def delete(paths: ClusterPaths, spec: ClusterSpec, name: str) -> int:
    """A pool, one simulated node, or one of the cluster's own; how many nodes that were. Raises NodesError."""
    if spec.node(name) is not None:
        return _delete_own(paths, name)
    found = _through_api(paths, spec, _nodes)
    pool = [each.head.name for each in found if each.head.labels.get(POOL) == name]
    one = [each for each in found if each.head.name == name]
    if not pool and not one and name not in spec.pools:
        raise NodesError(f'there is no node and no pool "{name}"')
    if not pool and one and one[0].head.labels.get(SIMULATED) != "true":
        raise NodesError(f'node "{name}" was not made by podling: kubectl delete node {name}')
    names = pool or [each.head.name for each in one]
    _through_api(paths, spec, lambda rest: remove(rest, names))
    pools = {other: each for other, each in spec.pools.items() if other != name}
    if not pool and one and (home := one[0].head.labels.get(POOL, "")) in pools:
        pools[home] = msgspec.structs.replace(pools[home], count=max(0, pools[home].count - 1))
    save(paths, msgspec.structs.replace(spec, pools=pools))
    return len(names)


def _delete_own(paths: ClusterPaths, name: str) -> int:
    """Interrupted at any point it can be done again: the spec, which names the node, is changed last."""
    with locked(paths.root):
        spec = load(paths)
        if spec is None or spec.node(name) is None:
            raise NodesError(f'there is no node and no pool "{name}"')
        if name == spec.first.name:
            raise NodesError(f'node "{name}" is the first of its cluster and goes with it (podling delete)')
        left = spec.without_node(name)
        announce(paths, left)
        end_nodes(paths, spec, [name], PROCESS_SECONDS)
        forget(paths, spec, [name])
        remove_node(paths, name)
        save(paths, left)
    return 1


def announce(paths: ClusterPaths, spec: ClusterSpec) -> None:
    """Tell a running server where the nodes answer for API and DNS. Raises NodesError."""
    _through_api(paths, spec, lambda rest: ensure(rest.transport, ways_in(spec)))


def forget(paths: ClusterPaths, spec: ClusterSpec, names: Sequence[str]) -> None:
    """The Nodes and then the Pods on them, of which nothing runs any more. Raises NodesError."""
    _through_api(paths, spec, lambda rest: _forget(rest, names))


async def _forget(rest: Rest, names: Sequence[str]) -> None:
    for name in names:
        with contextlib.suppress(NotFound):
            await rest.delete(NODES, "", name)
        # Once the Node has gone: a DaemonSet would have put a Pod there again.
        for pod in (await rest.transport.list(PODS, field_selector=f"spec.nodeName={name}")).items:
            with contextlib.suppress(NotFound):
                await rest.delete(PODS, pod.head.namespace, pod.head.name, grace=0)


def listed(paths: ClusterPaths, spec: ClusterSpec) -> list[Listed]:
    """Real nodes one by one, simulated ones by their pool."""
    groups: dict[tuple[str, str], list[Object]] = {}
    for each in _through_api(paths, spec, _nodes):
        simulated = each.head.labels.get(SIMULATED) == "true"
        name = each.head.labels.get(POOL, each.head.name) if simulated else each.head.name
        groups.setdefault((name, "simulated" if simulated else spec.runtime), []).append(each)
    return [
        Listed(name, kind, len(found), sum(map(_ready, found)), found[0].view.status.node_info.kubelet_version)
        for (name, kind), found in groups.items()
    ]


async def _nodes(rest: Rest) -> list[Object]:
    return list((await rest.transport.list(NODES)).items)


def _ready(found: Object) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in found.view.status.conditions)


def _through_api(paths: ClusterPaths, spec: ClusterSpec, act: Callable[[Rest], Awaitable[T]]) -> T:
    if Process.load(paths.server_pid) is None:
        raise NodesError(f'cluster "{spec.name}" does not run: podling start')

    async def run() -> T:
        transport = _administrator(paths, spec)
        try:
            return await act(Rest(transport))
        finally:
            transport.close()

    try:
        return asyncio.run(run())
    except (ApiError, PoolFull) as error:
        raise NodesError(str(error)) from error


def _administrator(paths: ClusterPaths, spec: ClusterSpec) -> HttpsTransport:
    import yaml

    config: dict[str, Any] = yaml.safe_load(paths.kubeconfig.read_text())
    user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
    context = client_context(
        base64.b64decode(cluster["certificate-authority-data"]),
        base64.b64decode(user["client-certificate-data"]),
        base64.b64decode(user["client-key-data"]),
    )
    return HttpsTransport(Address(spec.api_address, API_PORT), context, user_agent="podling")
