"""DELETE of one object: gone at once, or marked and left to its kubelet and its finalizers."""

from __future__ import annotations

from typing import Any

import orjson

from podling.api.errors import conflict, not_found
from podling.api.objects import Object
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.answer import success, written
from podling.apiserver.endpoints.body import read
from podling.apiserver.endpoints.options import DeleteOptions, delete_options
from podling.apiserver.endpoints.revisions import caught_up
from podling.apiserver.message import Request, Response
from podling.apiserver.registry.deletion import FOREGROUND, ORPHAN, Mark, Remove, decide
from podling.apiserver.registry.served import Served, encode
from podling.storage.interface import Changed, KeyNotFound

Json = dict[str, Any]


async def delete(backend: Backend, request: Request) -> Response:
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    options = read_options(backend, request)
    obj, removed = await delete_object(backend, request, served, target.namespace, target.name, options)
    if removed and not served.kind.strategy.returns_deleted:
        return success(served.entry.group, served.entry.plural, target.name, obj.head.uid)
    return written(backend, request, served, obj)


def read_options(backend: Backend, request: Request) -> DeleteOptions:
    """DeleteOptions of any group's version, in the body, and what the query adds."""
    body: Json = {}
    if request.body.strip():
        type_ = backend.schemas.kind("", "v1", "DeleteOptions")
        body = read(backend, request, type_, "", "DeleteOptions")
    return delete_options(body, request)


async def delete_object(
    backend: Backend, request: Request, served: Served, namespace: str, name: str, options: DeleteOptions
) -> tuple[Object, bool]:
    """The object as it is or was, and whether it is gone. Raises NotFound, Conflict, Forbidden."""
    key = served.key(namespace, name)
    while True:
        current = backend.cache.get(key)
        if current is None:
            raise not_found(served.entry.plural, name, served.entry.group)
        precondition(served, current, options)
        try:
            return await _once(backend, request, served, key, current, options)
        except (Changed, KeyNotFound) as lost:
            if options.revision:
                raise conflict(served.entry.plural, name, served.entry.group) from None
            await caught_up(backend, lost)


def _propagation(served: Served, obj: Json, options: DeleteOptions, request: Request) -> str:
    """What the request says, else what the object's finalizers say, else what the API's version did in its time."""
    strategy, entry = served.kind.strategy, served.entry
    if options.propagation or (entry.group, entry.version) not in strategy.orphans_in:
        return options.propagation
    if strategy.orphan_warning:
        request.warn(strategy.orphan_warning)
    held = obj["metadata"].get("finalizers") or ()
    return "" if ORPHAN in held or FOREGROUND in held else "Orphan"


async def _once(
    backend: Backend, request: Request, served: Served, key: str, current: Object, options: DeleteOptions
) -> tuple[Object, bool]:
    obj: Json = orjson.loads(current.raw)
    attempt = Attempt(
        "DELETE",
        served,
        current.head.namespace,
        obj,
        obj,
        request,
        dry=options.dry_run,
        revision=current.revision,
        options=options,
    )
    await backend.admission.admit(attempt)
    await backend.admission.validate(attempt)
    decision = decide(served, obj, options.grace, _propagation(served, obj, options, request), backend.env.now())
    if isinstance(decision, Remove):
        if options.dry_run:
            return current, True
        last = encode(decision.last) if decision.last else None
        gone = await backend.cache.delete(key, expect=current.revision, last=last)
        await backend.allocator.deleted(served, gone)
        return gone, True
    if isinstance(decision, Mark) and not options.dry_run:
        return await backend.cache.update(key, encode(decision.new), expect=current.revision), False
    return current, False


def precondition(served: Served, current: Object, options: DeleteOptions) -> None:
    """Raises Conflict where the object is not the one that was meant."""
    name = current.head.name
    if options.uid and options.uid != current.head.uid:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({current.head.uid}). "
            "The object might have been deleted and then recreated"
        )
        raise conflict(served.entry.kind, name, served.entry.group, why)
    if options.revision and options.revision != current.revision:
        why = (
            f"the ResourceVersion in the precondition ({options.revision}) does not match the ResourceVersion in "
            f"record ({current.revision}). The object might have been modified"
        )
        raise conflict(served.entry.kind, name, served.entry.group, why)
