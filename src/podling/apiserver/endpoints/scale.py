"""GET, PUT and PATCH of `scale`: the number of replicas of anything that has one, in one shape.

Where the numbers lie is in the kind's declaration (`Kind.scale`), as paths like those of a CRD.
"""

from __future__ import annotations

from typing import Any

from podling.api.errors import BadRequest, invalid
from podling.api.kinds.causes import invalid as invalid_value
from podling.api.kinds.kind import Scale
from podling.api.kinds.scale import scale_of, scaled, validate
from podling.api.objects import Object
from podling.api.schema import Type, check
from podling.api.schema.check import FieldTypeError
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.apply import applies, apply_scale
from podling.apiserver.endpoints.body import place, read
from podling.apiserver.endpoints.change import Change, change
from podling.apiserver.endpoints.get import find
from podling.apiserver.endpoints.options import dry_run
from podling.apiserver.endpoints.ownership import Record
from podling.apiserver.endpoints.scaletable import shown
from podling.apiserver.message import Request, Response
from podling.apiserver.registry.patching import parse_patch
from podling.apiserver.registry.served import Served, unknown_path

Json = dict[str, Any]


def get_scale(backend: Backend, request: Request) -> Response:
    assert request.target is not None
    served, scale = _served(backend, request)
    obj = find(backend, served, request.target)
    return shown(backend, request, scale_of(served.tabled(obj), scale, _api_version(served)))


async def put_scale(backend: Backend, request: Request) -> Response:
    target = request.target
    assert target is not None
    served, scale = _served(backend, request)
    body = read(backend, request, _type(backend, served), _api_version(served), "Scale")
    place(body, served, target.namespace, target.name)
    return await _write(backend, request, served, scale, lambda _: body)


async def patch_scale(backend: Backend, request: Request) -> Response:
    served, scale = _served(backend, request)
    if applies(request.headers.get("content-type", "")):
        type_, api_version = _type(backend, served), _api_version(served)
        obj = await apply_scale(backend, request, served, scale, type_, api_version)
        return shown(backend, request, scale_of(obj.json(), scale, api_version))
    type_ = _type(backend, served)
    apply = parse_patch(request.headers.get("content-type", ""), request.body, type_).apply

    def make(old: Json) -> Json:
        revision = old["metadata"]["resourceVersion"]
        new = _checked(apply(old), type_)
        if new["metadata"].get("resourceVersion") == revision:
            del new["metadata"]["resourceVersion"]
        return new

    return await _write(backend, request, served, scale, make)


def _checked(new: Any, type_: Type | None) -> Json:
    """A patched Scale that is one. Raises BadRequest, Invalid."""
    if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
        raise BadRequest("the patch does not leave an object")
    if type_ is None:
        return new
    try:
        out: Json = check(new, type_, "Ignore").value
    except FieldTypeError as error:
        raise invalid("", "", [invalid_value("patch", new, str(error))]) from None
    return out


async def _write(backend: Backend, request: Request, served: Served, scale: Scale, make: Any) -> Response:
    target = request.target
    assert target is not None
    api_version = _api_version(served)

    def change_of(old: Json) -> Json:
        whole = served.entry.from_hub(old) if served.waits else old
        wanted = make(scale_of(whole, scale, api_version))
        if causes := validate(wanted):
            raise invalid("Scale", target.name, causes, "autoscaling")
        new = scaled(whole, scale, wanted)
        new = served.entry.to_hub(new) if served.waits else new
        new["metadata"]["resourceVersion"] = wanted["metadata"].get("resourceVersion", "")
        return new

    wanted = Change(
        served, target.namespace, target.name, change_of, "scale", dry_run(request), Record(backend, request, served)
    )
    obj: Object = await change(backend, request, wanted)
    return shown(backend, request, scale_of(served.tabled(obj), scale, api_version))


def _served(backend: Backend, request: Request) -> tuple[Served, Scale]:
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    if served.kind.scale is None:
        raise unknown_path()
    return served, served.kind.scale


def _api_version(served: Served) -> str:
    """That of the Scale kind: autoscaling/v1, but apps/v1beta2 had a Scale of its own."""
    sub = served.entry.subresources["scale"]
    return f"{sub.group}/{sub.version}"


def _type(backend: Backend, served: Served) -> Type | None:
    sub = served.entry.subresources["scale"]
    return backend.schemas.kind(sub.group, sub.version, sub.kind)
