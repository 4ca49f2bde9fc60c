"""The answer to a write: the object as it is now, in the form the client asked for."""

from __future__ import annotations

import msgspec

from podling.api.objects import Object
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.rendering import Renderer
from podling.apiserver.message import Request, Response
from podling.apiserver.registry.served import Served


def written(backend: Backend, request: Request, served: Served, obj: Object, status: int = 200) -> Response:
    if served.entry.is_hub and "as=" not in request.headers.get("accept", ""):
        return Response(status, served.item(obj))
    return Response(status, Renderer(backend, request, served, listing=False).one(obj))


def success(group: str, plural: str, name: str, uid: str) -> Response:
    """The Status of a deletion."""
    details = {"name": name, "group": group, "kind": plural, "uid": uid}
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }
    return Response(200, msgspec.json.encode(status))
