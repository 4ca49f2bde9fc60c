"""PUT of an object or of its status: the new state is the client's."""

from __future__ import annotations

import re
from typing import Any

import orjson

from podling.api.errors import BadRequest, invalid
from podling.api.kinds.causes import invalid as invalid_value
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.answer import written
from podling.apiserver.endpoints.body import place, read_object
from podling.apiserver.endpoints.change import Change, change
from podling.apiserver.endpoints.create import create_object
from podling.apiserver.endpoints.options import dry_run
from podling.apiserver.endpoints.ownership import Record
from podling.apiserver.message import Request, Response
from podling.apiserver.registry.served import Served

Json = dict[str, Any]
# It may also stand in a text, so who has it is asked further.
_EMPTY_RECORD = re.compile(rb'"managedFields"\s*:\s*\[\s*\]')


async def update(backend: Backend, request: Request) -> Response:
    """Also for `status` and the other subresources whose body is the object itself."""
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    dry = dry_run(request)
    hub = _read(backend, request, served)
    if served.kind.strategy.create_on_update and not target.subresource:
        key = served.key(target.namespace, target.name)
        if backend.cache.get(key) is None and not hub["metadata"].get("resourceVersion"):
            obj = await create_object(backend, request, served, hub, dry=dry)
            return written(backend, request, served, obj, 201)
    _check_conditional(served, hub)
    once = [hub]

    def make(_: Json) -> Json:
        # What is made is changed on its way to the store; only who lost a race needs it a second time.
        return once.pop() if once else _read(backend, request, served)

    record = Record(backend, request, served)
    wanted = Change(served, target.namespace, target.name, make, target.subresource, dry, record, replaces=True)
    return written(backend, request, served, await change(backend, request, wanted))


def _read(backend: Backend, request: Request, served: Served) -> Json:
    """The body as a hub object, in the place that the path says."""
    target = request.target
    assert target is not None
    body = read_object(backend, request, served)
    place(body, served, target.namespace, target.name)
    if forgets(request.body):
        body["metadata"]["managedFields"] = []
    if not body["metadata"].get("name"):
        raise BadRequest("the name of the object must be set")
    return served.entry.to_hub(body)


def _check_conditional(served: Served, hub: Json) -> None:
    metadata = hub["metadata"]
    if not served.kind.strategy.unconditional_update and not metadata.get("resourceVersion"):
        cause = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(served.entry.kind, metadata["name"], [cause], served.entry.group)


def forgets(body: bytes) -> bool:
    """Whether a JSON body has `managedFields: []`, which checking drops: the record is to be forgotten."""
    if body[:1] != b"{" or not _EMPTY_RECORD.search(body):
        return False
    metadata = orjson.loads(body).get("metadata")
    return isinstance(metadata, dict) and metadata.get("managedFields") == []
