"""PATCH with a configuration: server-side apply of an object, its status or scale, and of what is not there yet.

The merged object goes the way of every update (or create) behind it: checks, strategy, admission, compare-and-set. A
lost race is applied again to the newer object, unless the configuration names a revision.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
import yaml

from podling.api.errors import BadRequest, NotFound, UnsupportedMediaType
from podling.api.kinds.kind import Scale
from podling.api.kinds.scale import scaled
from podling.api.objects import Object
from podling.api.patch import managedfields
from podling.api.patch.apply import Application, Applied, apply
from podling.api.patch.config import sentence, violations
from podling.api.patch.values import copied
from podling.api.schema import Type
from podling.api.schema.check import unknown_fields
from podling.api.schema.defaults import apply_defaults
from podling.api.schema.gojson import NotJson, Twice, parse
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.answer import written
from podling.apiserver.endpoints.body import Loader, place
from podling.apiserver.endpoints.change import Change, change
from podling.apiserver.endpoints.create import create_object
from podling.apiserver.endpoints.options import dry_run, field_validation
from podling.apiserver.endpoints.ownership import Versions, manager_of, refused, unset_fields
from podling.apiserver.message import Request, Response
from podling.apiserver.registry.served import Served
from podling.env import rfc3339

Json = dict[str, Any]

APPLY: Final = ("application/apply-patch+yaml", "application/apply-patch+json")
_TRUE, _FALSE = ("1", "t", "true"), ("", "0", "f", "false")


def applies(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() in APPLY


async def apply_patch(backend: Backend, request: Request) -> Response:
    """Also for `status`. Raises Invalid without fieldManager, Conflict where others manage what would change."""
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    config = _configuration(request, served, served.type, served.api_version, served.entry.kind)
    said = config["metadata"].get("resourceVersion")
    wanted = _application(backend, request, served, config)
    key = served.key(target.namespace, target.name)
    while True:
        if not target.subresource and backend.cache.get(key) is None:
            obj = await _create(backend, request, served, wanted)
            return written(backend, request, served, obj, 201)
        try:
            obj = await _update(backend, request, served, wanted, str(said or ""))
        except NotFound:
            if target.subresource or backend.cache.get(key) is not None:
                raise
            continue  # it went away meanwhile: then it is made
        return written(backend, request, served, obj)


async def apply_scale(
    backend: Backend, request: Request, served: Served, scale: Scale, type_: Type | None, api_version: str
) -> Object:
    """A Scale applied to the object it is a view of; `type_` and `api_version` are the Scale's. The object after it."""
    config = _configuration(request, served, type_, api_version, "Scale")
    own: Json = {"kind": served.entry.kind, "apiVersion": served.api_version, "metadata": config["metadata"]}
    if "replicas" in (config.get("spec") or {}):
        own = scaled(own, scale, config)
    wanted = _application(backend, request, served, own)
    return await _update(backend, request, served, wanted, str(config["metadata"].get("resourceVersion") or ""))


def _application(backend: Backend, request: Request, served: Served, config: Json) -> Application:
    assert request.target is not None
    manager = manager_of(request, served, "Apply")
    unset = unset_fields(served, request.target.subresource)
    return Application(manager, config, forced(request), rfc3339(backend.env.now()), unset)


def _configuration(request: Request, served: Served, type_: Type | None, api_version: str, kind: str) -> Json:
    """What is to be applied, checked. Raises BadRequest, Invalid, UnsupportedMediaType."""
    assert request.target is not None
    if type_ is None:
        raise UnsupportedMediaType(f"{kind} has no schema to apply by")
    if not request.param("fieldManager"):
        raise refused("PatchOptions", "FieldValueRequired", "Required value: is required for apply patch")
    config = read_config(request, api_version)
    _check(request, config, type_, api_version, kind)
    place(config, served, request.target.namespace, request.target.name)
    return config


async def _create(backend: Backend, request: Request, served: Served, wanted: Application) -> Object:
    applied = apply(None, (), wanted, Versions(backend, served))
    hub = _finished(request, served, applied)
    entries = managedfields.written(applied.entries)
    return await create_object(backend, request, served, hub, dry=dry_run(request), managed=entries)


async def _update(backend: Backend, request: Request, served: Served, wanted: Application, said: str) -> Object:
    target = request.target
    assert target is not None
    versions = Versions(backend, served)

    def make(old: Json) -> Json:
        entries = managedfields.stored(old["metadata"].pop("managedFields", None))
        live = served.entry.from_hub(old)
        live["metadata"].pop("resourceVersion", None)
        applied = apply(live, entries, wanted, versions)
        hub = _finished(request, served, applied)
        hub["metadata"].pop("resourceVersion", None)
        if said:
            hub["metadata"]["resourceVersion"] = said
        if applied.entries:
            hub["metadata"]["managedFields"] = managedfields.written(applied.entries)
        return hub

    dry = dry_run(request)
    changing = Change(served, target.namespace, target.name, make, target.subresource, dry, own=_already)
    return await change(backend, request, changing)


def _already(new: Json, old: Json) -> None:
    """Applying has written managedFields itself; where only their times would change, nothing does.

    A configuration may differ from what is stored and make the same of it, by defaults.
    """
    mine, live = new["metadata"].pop("managedFields", None), old["metadata"].pop("managedFields", None)
    if new == old and _timeless(mine) == _timeless(live):
        mine = live
    for obj, entries in ((new, mine), (old, live)):
        if entries:
            obj["metadata"]["managedFields"] = entries


def _timeless(entries: list[Json] | None) -> list[Any]:
    return sorted((each._replace(time="") for each in managedfields.stored(entries)), key=lambda each: each.manager)


def _finished(request: Request, served: Served, applied: Applied) -> Json:
    """The merged object as a checked and defaulted one in the hub version."""
    target = request.target
    assert target is not None and served.type is not None
    obj, _ = unknown_fields(copied(applied.obj), served.type)
    apply_defaults(obj, served.type)
    place(obj, served, target.namespace, target.name)
    obj["kind"], obj["apiVersion"] = served.entry.kind, served.entry.api_version
    return served.entry.to_hub(obj)


def read_config(request: Request, api_version: str) -> Json:
    """The configuration in the body. Raises BadRequest."""
    target = request.target
    assert target is not None
    mode = field_validation(request)
    config, repeated = _parse(request.body)
    if not isinstance(config, dict) or not isinstance(config.setdefault("metadata", {}), dict):
        raise BadRequest("error decoding YAML: json: cannot unmarshal the configuration into an object")
    if repeated and mode == "Strict":
        raise BadRequest(f"error strict decoding YAML: {repeated}")
    if repeated and mode == "Warn":
        request.warn(repeated)
    version = config.get("apiVersion") or ""
    if version != api_version:
        raise BadRequest(
            f"Incorrect version specified in apply patch. Specified patch version: {version}, expected: {api_version}"
        )
    if config["metadata"].get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    return config


def _check(request: Request, config: Json, type_: Type, api_version: str, kind: str) -> None:
    """Raises BadRequest for another kind, and for what does not fit the type."""
    target = request.target
    assert target is not None
    group, _, version = api_version.rpartition("/")
    said = config.get("kind") or ""
    if said != kind:
        raise BadRequest(f"invalid object type: {group}/{version}, Kind={said}")
    if found := violations(config, type_):
        where = f"{target.namespace}/{target.name}; {group}/{version}, Kind={kind}"
        raise BadRequest(f"failed to create typed patch object ({where}): {sentence(found)}")


def _parse(body: bytes) -> tuple[Any, str]:
    """The value, and what is said of keys that stand twice."""
    if body.lstrip().startswith(b"{"):
        try:
            parsed = parse(body)
        except NotJson:
            pass  # it may yet be a flow mapping of YAML
        else:
            return parsed.value, _repeated(parsed.written)
    try:
        value = yaml.load(body, Loader=Loader)
        return orjson.loads(orjson.dumps(value)), ""
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"error decoding YAML: {error}") from None


def _repeated(written: Any) -> str:
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, Twice):
            found.extend(value.repeated)
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            look(item)

    if written is not None:
        look(written)
    return f'key "{found[0]}" already set in map' if found else ""


def forced(request: Request) -> bool:
    """Whether conflicts are to be won. Raises BadRequest."""
    text = request.param("force").lower()
    if text not in _TRUE + _FALSE:
        raise BadRequest(f'strconv.ParseBool: parsing "{request.param("force")}": invalid syntax')
    return text in _TRUE
