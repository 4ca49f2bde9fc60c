"""PATCH: JSON Patch, merge patch, strategic merge patch, on the object or on its status; `apply.py` has the fourth.

The patch is applied to the object in the version of the request, the result is checked like a PUT's body, and a lost
race is run again on the newer object unless the patch itself names a revision.
"""

from __future__ import annotations

from typing import Any

import orjson

from podling.api.errors import BadRequest, Invalid, invalid
from podling.api.kinds.causes import invalid as invalid_value
from podling.api.schema import Type
from podling.api.schema.check import FieldTypeError
from podling.api.schema.decode import check, strict_error
from podling.api.schema.defaults import apply_defaults
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.answer import written
from podling.apiserver.endpoints.apply import applies, apply_patch
from podling.apiserver.endpoints.body import place
from podling.apiserver.endpoints.change import Change, change
from podling.apiserver.endpoints.options import FieldValidation, dry_run, field_validation
from podling.apiserver.endpoints.ownership import Record
from podling.apiserver.message import Request, Response
from podling.apiserver.registry.patching import Patch, parse_patch
from podling.apiserver.registry.served import Served

Json = dict[str, Any]
_HEADLINE = ("apiVersion", "kind", "metadata")


async def patch(backend: Backend, request: Request) -> Response:
    """Also for `status` and the other subresources whose body is the object itself."""
    if applies(request.headers.get("content-type", "")):
        return await apply_patch(backend, request)
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    dry = dry_run(request)
    mode = field_validation(request)
    given = parse_patch(request.headers.get("content-type", ""), request.body, served.type)

    def make(old: Json) -> Json:
        return patched(request, served, given, mode, old)

    wanted = Change(
        served, target.namespace, target.name, make, target.subresource, dry, Record(backend, request, served)
    )
    return written(backend, request, served, await change(backend, request, wanted))


def patched(request: Request, served: Served, given: Patch, mode: FieldValidation, old: Json) -> Json:
    """The new hub object. Raises BadRequest, Invalid."""
    target = request.target
    assert target is not None
    revision = old["metadata"]["resourceVersion"]
    new = given.apply(served.entry.from_hub(old))
    kept: Json = {}
    if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
        raise BadRequest("the patch does not leave an object")
    record = new["metadata"].pop("managedFields", None)  # read by whoever keeps it
    if served.type is not None:
        if served.schema_stays:
            kept = _kept(new, given.touched)
        new = _checked(request, new, kept, served.type, mode)
    place(new, served, target.namespace, target.name)
    new["kind"], new["apiVersion"] = served.entry.kind, served.entry.api_version
    if new["metadata"].get("resourceVersion") == revision:
        # Unsaid by the patch: a race may be run again.
        del new["metadata"]["resourceVersion"]
    hub = _to_hub(served, new, kept)
    if record is not None:
        hub["metadata"]["managedFields"] = record
    return hub


def _kept(new: Json, touched: frozenset[str] | None) -> Json:
    """What stays as it was stored, and was checked and defaulted then: mostly the larger part."""
    if touched is None:
        return {}
    return {name: value for name, value in new.items() if name not in touched and name not in _HEADLINE}


def _to_hub(served: Served, new: Json, kept: Json) -> Json:
    if not (kept and served.entry.is_hub and served.kind.fills_parts_alone):
        return served.entry.to_hub(new)
    filled = served.entry.to_hub({name: value for name, value in new.items() if name not in kept})
    filled |= kept
    return {name: filled[name] for name in dict.fromkeys((*new, *filled))}


def _checked(request: Request, new: Json, kept: Json, type_: Type, mode: FieldValidation) -> Json:
    order = [*new]
    doubtful = {name: value for name, value in new.items() if name not in kept}
    before = orjson.dumps(doubtful)

    def refused(why: str) -> Invalid:
        known = kept | orjson.loads(before)
        shown = orjson.dumps({name: known[name] for name in order}).decode()
        return invalid("", "", [invalid_value("patch", shown, why)])

    try:
        checked = check(doubtful, type_, mode)
    except FieldTypeError as error:
        raise refused(str(error)) from None
    if checked.errors:
        raise refused(strict_error(checked.errors))
    for text in checked.warnings:
        request.warn(text)
    value: Json = checked.value
    apply_defaults(value, type_)
    value |= kept
    return {name: value[name] for name in dict.fromkeys((*order, *value)) if name in value}
