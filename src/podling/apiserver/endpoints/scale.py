"""GET, PUT and PATCH of `scale`: the number of replicas of anything that has one, in one shape.

Where the numbers lie is in the kind's declaration (`Kind.scale`), as paths like those of a CRD.
"""

from __future__ import annotations

from typing import Any

import orjson

from podling.api import labels
from podling.api.errors import Cause, invalid
from podling.api.kinds.kind import Scale
from podling.api.objects import Object
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.body import place, read
from podling.apiserver.endpoints.change import Change, change
from podling.apiserver.endpoints.get import find
from podling.apiserver.endpoints.options import dry_run
from podling.apiserver.message import Request, Response
from podling.apiserver.registry.patching import parse_patch
from podling.apiserver.registry.served import Served, unknown_path

Json = dict[str, Any]


def get_scale(backend: Backend, request: Request) -> Response:
    assert request.target is not None
    served, scale = _served(backend, request)
    obj = find(backend, served, request.target)
    return Response(200, orjson.dumps(scale_of(obj.json(), scale)))


async def put_scale(backend: Backend, request: Request) -> Response:
    target = request.target
    assert target is not None
    served, scale = _served(backend, request)
    type_ = backend.schemas.kind("autoscaling", "v1", "Scale")
    body = read(backend, request, type_, "autoscaling/v1", "Scale")
    place(body, served, target.namespace, target.name)
    return await _write(backend, request, served, scale, lambda _: body)


async def patch_scale(backend: Backend, request: Request) -> Response:
    served, scale = _served(backend, request)
    type_ = backend.schemas.kind("autoscaling", "v1", "Scale")
    apply = parse_patch(request.headers.get("content-type", ""), request.body, type_)

    def make(old: Json) -> Json:
        revision = old["metadata"]["resourceVersion"]
        new = apply(old)
        if new["metadata"].get("resourceVersion") == revision:
            del new["metadata"]["resourceVersion"]
        return new

    return await _write(backend, request, served, scale, make)


async def _write(backend: Backend, request: Request, served: Served, scale: Scale, make: Any) -> Response:
    target = request.target
    assert target is not None

    def change_of(old: Json) -> Json:
        wanted = make(scale_of(old, scale))
        replicas = (wanted.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int) or replicas < 0:
            text = f"Invalid value: {replicas}: must be greater than or equal to 0"
            cause = Cause("FieldValueInvalid", text, "spec.replicas")
            raise invalid("Scale", target.name, [cause], "autoscaling")
        _put(old, scale.spec_replicas, replicas)
        said = wanted["metadata"].get("resourceVersion", "")
        old["metadata"]["resourceVersion"] = said
        return old

    wanted = Change(served, target.namespace, target.name, change_of, "scale", dry_run(request))
    obj: Object = await change(backend, request, wanted)
    return Response(200, orjson.dumps(scale_of(obj.json(), scale)))


def scale_of(obj: Json, scale: Scale) -> Json:
    """The autoscaling/v1 Scale of a hub object."""
    metadata = obj["metadata"]
    selector = _at(obj, scale.selector) if scale.selector else None
    text = str(labels.of(selector) if _is_selector(selector) else labels.of_map(selector)) if selector else ""
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Json = {"replicas": _at(obj, scale.status_replicas) or 0}
    if text:
        status["selector"] = text
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in kept if name in metadata},
        "spec": {"replicas": _at(obj, scale.spec_replicas) or 0},
        "status": status,
    }


def _is_selector(selector: Json) -> bool:
    """A LabelSelector, in contrast to the plain map of a ReplicationController."""
    return "matchLabels" in selector or "matchExpressions" in selector


def _served(backend: Backend, request: Request) -> tuple[Served, Scale]:
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    if served.kind.scale is None:
        raise unknown_path()
    return served, served.kind.scale


def _at(obj: Any, path: str) -> Any:
    for key in path.strip(".").split("."):
        obj = obj.get(key) if isinstance(obj, dict) else None
    return obj


def _put(obj: Json, path: str, value: Any) -> None:
    *way, last = path.strip(".").split(".")
    for key in way:
        obj = obj.setdefault(key, {})
    obj[last] = value
