"""GET and LIST of metrics.k8s.io (Kubernetes documentation, "Resource metrics pipeline").

Selectors look at the nodes and Pods themselves, so only the nodes that matter are asked. What has no metrics yet is
missing from lists and not found by name, as with metrics-server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from podling.api.errors import not_found
from podling.api.objects import Object, key_of, prefix_of
from podling.apiserver.backend import Backend, Endpoint
from podling.apiserver.endpoints.list import selection_of
from podling.apiserver.endpoints.rendering import Renderer
from podling.apiserver.message import Request, Response
from podling.apiserver.metricsapi import objects, simulated
from podling.apiserver.metricsapi.readings import Usage
from podling.apiserver.registry.heads import head_of
from podling.apiserver.registry.served import Served

Json = dict[str, Any]
Make = Callable[[Backend, Sequence[Object]], Awaitable[list[Json]]]
T = TypeVar("T")
GROUP, SLICE = "metrics.k8s.io", 64


async def answer(backend: Backend, request: Request) -> Response:
    """A list, or the one that is named. Raises NotFound."""
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    chosen = _chosen(backend, served, request)
    found = await _MAKERS[target.plural](backend, chosen)
    if not target.name:
        return await _list(backend, request, served, found)
    if not found:
        name = f"{target.namespace}/{target.name}" if target.namespace else target.name
        raise not_found(served.entry.kind.lower(), name, GROUP)
    renderer = Renderer(backend, request, served, listing=False)
    return Response(200, renderer.one(_object(served, found[0])) if renderer.form.shape else orjson.dumps(found[0]))


def _chosen(backend: Backend, served: Served, request: Request) -> list[Object]:
    """The nodes or Pods that are meant."""
    assert request.target is not None
    interest, plural = selection_of(served, request).interest, served.entry.plural
    if interest.name and (interest.namespace or not served.entry.namespaced):
        one = backend.cache.get(key_of("", plural, interest.namespace, interest.name))
        kept: Iterable[Object] = () if one is None else (one,)
    else:
        kept = backend.cache.list(prefix_of("", plural, interest.namespace))
    return [each for each in kept if interest.concerns(each.head)]


async def _list(backend: Backend, request: Request, served: Served, found: Sequence[Json]) -> Response:
    renderer = Renderer(backend, request, served, listing=True)
    head, tail = renderer.list_head({})
    items: list[bytes] = []
    async for each in _unhurried(found):
        items.append(renderer.item(_object(served, each)) if renderer.form.shape else orjson.dumps(each))
    return Response(200, head + b",".join(items) + tail)


async def _unhurried(found: Iterable[T]) -> AsyncIterator[T]:
    """Thousands of things one by one, with pauses in which others get their turn."""
    for number, each in enumerate(found, 1):
        yield each
        if number % SLICE == 0:
            await asyncio.sleep(0)


async def _of_nodes(backend: Backend, nodes: Sequence[Object]) -> list[Json]:
    real = [each.head.name for each in nodes if not simulated.is_simulated(each.head.labels)]
    _forget_gone(backend)
    readings = await backend.usage.readings(real)
    now, out = backend.env.now(), list[Json]()
    async for node in _unhurried(nodes):
        name, labels = node.head.name, node.head.labels
        if simulated.is_simulated(labels):
            out.append(objects.of_node(name, labels, _simulated_sum(backend, name), now))
        elif (reading := readings.get(name)) is not None:
            out.append(objects.of_node(name, labels, reading.node, reading.at))
    return out


async def _of_pods(backend: Backend, pods: Sequence[Object]) -> list[Json]:
    running = [each for each in pods if each.view.status.phase == "Running" and each.view.spec.node_name]
    labels = {name: _labels(backend, name) for name in dict.fromkeys(each.view.spec.node_name for each in running)}
    _forget_gone(backend)
    readings = await backend.usage.readings(name for name in labels if not simulated.is_simulated(labels[name]))
    now, out = backend.env.now(), list[Json]()
    async for each in _unhurried(running):
        pod = each.view
        if simulated.is_simulated(labels[pod.spec.node_name]):
            out.append(objects.of_simulated_pod(pod, simulated.usage_of(pod), now))
        elif (reading := readings.get(pod.spec.node_name)) is not None:
            made = objects.of_pod(pod, reading)
            out += [made] if made is not None else []
    return out


def _simulated_sum(backend: Backend, node: str) -> Usage:
    """Of all that is said to run there."""
    on = backend.cache.having(prefix_of("", "pods"), "spec.nodeName", node)
    told = [(simulated.usage_of(each.view), len(each.view.spec.containers)) for each in on if _runs(each)]
    cpu, memory = sum(usage.cpu * count for usage, count in told), sum(usage.memory * count for usage, count in told)
    return Usage(cpu, memory, simulated.WINDOW)


def _runs(pod: Object) -> bool:
    return bool(pod.view.status.phase == "Running")


def _labels(backend: Backend, node: str) -> Mapping[str, str]:
    found = backend.cache.get(key_of("", "nodes", "", node))
    return found.head.labels if found is not None else {}


def _forget_gone(backend: Backend) -> None:
    known = backend.usage.known
    backend.usage.forget([name for name in known if backend.cache.get(key_of("", "nodes", "", name)) is None])


def _object(served: Served, body: Json) -> Object:
    """As the renderer wants it; it was never stored."""
    raw, metadata = orjson.dumps(body), body["metadata"]
    key = served.key(metadata.get("namespace", ""), metadata["name"])
    return Object(key, raw, 0, head_of(body, {}), served.kind.decode)


_MAKERS: Mapping[str, Make] = {"nodes": _of_nodes, "pods": _of_pods}
COMPUTED: Mapping[tuple[str, str], Mapping[str, Endpoint]] = {
    (GROUP, plural): {"get": answer, "list": answer} for plural in _MAKERS
}
