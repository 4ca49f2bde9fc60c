"""GET of one object: from memory, at once."""

from __future__ import annotations

from collections.abc import Awaitable

from podling.api.errors import not_found
from podling.api.objects import Object
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.rendering import Renderer
from podling.apiserver.endpoints.revisions import reached, revision_of
from podling.apiserver.message import Request, Response
from podling.apiserver.registry.served import Served
from podling.apiserver.routing import Target


def get(backend: Backend, request: Request) -> Response | Awaitable[Response]:
    """The object; Table or metadata where asked for."""
    assert request.target is not None
    served = backend.resources.get(request.target.group, request.target.version, request.target.plural)
    if request.query:
        revision = revision_of(request)
        if revision is not None and revision > backend.cache.revision:
            return _later(backend, request, served, revision)
    return _answer(backend, request, served)


async def _later(backend: Backend, request: Request, served: Served, revision: int) -> Response:
    await reached(backend, revision)
    return _answer(backend, request, served)


def _answer(backend: Backend, request: Request, served: Served) -> Response:
    assert request.target is not None
    obj = find(backend, served, request.target)
    if served.entry.is_hub and "as=" not in request.headers.get("accept", ""):
        return Response(200, served.item(obj))
    return Response(200, Renderer(backend, request, served, listing=False).one(obj))


def find(backend: Backend, served: Served, target: Target) -> Object:
    """The addressed object. Raises NotFound in upstream's words."""
    obj = backend.cache.get(served.key(target.namespace, target.name))
    if obj is None:
        raise not_found(served.entry.plural, target.name, served.entry.group)
    return obj
