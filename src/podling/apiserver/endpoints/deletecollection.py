"""DELETE of all objects a list would show, one by one."""

from __future__ import annotations

import orjson

from podling.api.errors import Conflict, NotFound
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.delete import delete_object, read_options
from podling.apiserver.endpoints.list import selection_of
from podling.apiserver.message import Request, Response


async def deletecollection(backend: Backend, request: Request) -> Response:
    """The list of what was deleted, each as it was."""
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    options = read_options(backend, request)
    selection = selection_of(served, request)
    found = [obj for obj in backend.cache.list(selection.prefix) if selection.interest.concerns(obj.head)]
    items: list[bytes] = []
    for obj in found:
        try:
            gone, _ = await delete_object(backend, request, served, obj.head.namespace, obj.head.name, options)
        except (NotFound, Conflict):
            continue  # somebody else was quicker; the collection is as empty as asked for
        items.append(served.listed(gone))
    metadata = orjson.dumps({"resourceVersion": str(backend.cache.revision)})
    return Response(200, served.list_head + metadata + b',"items":[' + b",".join(items) + b"]}")
