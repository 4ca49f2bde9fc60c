"""GET and LIST of componentstatuses: the parts of the control plane, which books look at first.

Nothing of it is stored. The controllers and the scheduler live and die with the server's process, so they are healthy
where there are any; a server alone has none, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from podling.api.errors import not_found
from podling.api.objects import Object
from podling.apiserver.backend import Backend, Endpoint
from podling.apiserver.endpoints.rendering import Renderer
from podling.apiserver.message import Request, Response
from podling.apiserver.registry.heads import head_of
from podling.apiserver.registry.served import Served

Json = dict[str, Any]


def component_statuses(backend: Backend, request: Request) -> Response:
    """Raises NotFound."""
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    found = [_object(served, _told(name, wrong)) for name, wrong in _components(backend).items()]
    if target.name:
        one = next((each for each in found if each.head.name == target.name), None)
        if one is None:
            raise not_found(target.plural, target.name, target.group)
        renderer = Renderer(backend, request, served, listing=False)
        return Response(200, renderer.one(one) if renderer.form.shape else one.raw)
    renderer = Renderer(backend, request, served, listing=True)
    head, tail = renderer.list_head({})
    items = (renderer.item(each) if renderer.form.shape else each.raw for each in found)
    return Response(200, head + b",".join(items) + tail)


def _components(backend: Backend) -> dict[str, str]:
    """By name what is wrong with each, empty where nothing is."""
    alone = "" if backend.config.acting is not None else "it does not run: this API server is alone"
    return {"controller-manager": alone, "scheduler": alone, "etcd-0": backend.health("livez").get("etcd", "")}


def _told(name: str, wrong: str) -> Json:
    condition = {"type": "Healthy", "status": "False" if wrong else "True", "message": wrong or "ok"}
    return {"kind": "ComponentStatus", "apiVersion": "v1", "metadata": {"name": name}, "conditions": [condition]}


def _object(served: Served, obj: Json) -> Object:
    name = obj["metadata"]["name"]
    return Object(served.key("", name), orjson.dumps(obj), 0, head_of(obj, {}), served.kind.decode)


COMPONENTS: Mapping[tuple[str, str], Mapping[str, Endpoint]] = {
    ("", "componentstatuses"): {"get": component_statuses, "list": component_statuses}
}
