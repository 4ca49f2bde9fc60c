"""Requests to resources with a conversion webhook: the endpoint as it is, around it whoever waits for the webhook."""

from __future__ import annotations

from collections.abc import Iterable

from podling.api.objects import Object
from podling.apiserver.backend import Backend, Endpoint
from podling.apiserver.customresources.conversion import ConversionFailed, Unconverted
from podling.apiserver.customresources.definition import CustomServed
from podling.apiserver.message import Outcome, Request, Response, Stream, Upgrade

TRIES = 32
SLICE = 256


def converting(endpoint: Endpoint) -> Endpoint:
    """`endpoint`, called until nothing is left to be converted."""

    async def run(backend: Backend, request: Request) -> Outcome:
        await _prepare(backend, request)
        for _ in range(TRIES):
            try:
                outcome = endpoint(backend, request)
                if isinstance(outcome, Response | Stream | Upgrade):
                    return outcome
                return await outcome
            except Unconverted as unconverted:
                await unconverted.settle()
        raise ConversionFailed("the object changes with every conversion")

    return run


async def _prepare(backend: Backend, request: Request) -> None:
    """What is there already and the request will show or change."""
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    if not isinstance(served, CustomServed) or target.verb in ("create", "watch"):
        return  # a watch sees to its events itself
    if target.name:
        obj = backend.cache.get(served.key(target.namespace, target.name))
        await served.ready(() if obj is None else (obj,))
    else:
        await served.ready(_listed(backend, request, served.prefix(target.namespace)))


def _listed(backend: Backend, request: Request, prefix: str) -> Iterable[Object]:
    """The first page where pages are asked for."""
    limit = request.param("limit")
    paged = limit.isdigit() and int(limit) and request.target is not None and request.target.verb == "list"
    return backend.cache.list(prefix, limit=int(limit)) if paged else backend.cache.list(prefix)
