"""The one way an existing object changes: read, make the new state, check it, compare-and-set.

PUT, PATCH, status, scale, binding and the rest differ only in how they make the new state. Where the client did not
name a revision, a lost race is run again (upstream's GuaranteedUpdate). What changes nothing is not written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from podling.api.errors import conflict, invalid, not_found
from podling.api.objects import Object
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.backend import Backend
from podling.apiserver.customresources.judging import judged
from podling.apiserver.endpoints.revisions import caught_up
from podling.apiserver.message import Request
from podling.apiserver.registry.deletion import complete
from podling.apiserver.registry.served import Served, encode
from podling.storage.interface import Changed, KeyNotFound

Json = dict[str, Any]
Make = Callable[[Json], Json]
"""Old hub object (a copy, with resourceVersion) to the new one."""
Own = Callable[[Json, Json], None]
"""(new, old), both in the hub version."""

# What no update changes; where the new state is silent, the old one stays.
_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be changed and by which way (`subresource`)."""

    served: Served
    namespace: str
    name: str
    make: Make
    subresource: str = ""
    dry: bool = False
    own: Own | None = None
    """Gives the new state its managedFields; without it they stay as they are."""
    replaces: bool = False
    """`make` does not look at the present state, so none is decoded for it."""
    own_rules: bool = False
    """`make` is the server's own and knows what it may touch: no strategy, admission or validation besides."""


async def change(backend: Backend, request: Request, wanted: Change) -> Object:
    """The object afterwards. Raises NotFound, Conflict, Invalid, Forbidden."""
    served = wanted.served
    key = served.key(wanted.namespace, wanted.name)
    while True:
        current = backend.cache.get(key)
        if current is None:
            raise not_found(served.entry.plural, wanted.name, served.entry.group)
        new, conditional = await _made(backend, request, wanted, current)
        if new is None:
            return current
        try:
            with backend.admission.promise(current.head.uid):
                return await _store(backend, wanted, key, current, new)
        except (Changed, KeyNotFound) as lost:
            if conditional:
                raise conflict(served.entry.plural, wanted.name, served.entry.group) from None
            await caught_up(backend, lost)


async def _made(backend: Backend, request: Request, wanted: Change, current: Object) -> tuple[Json | None, bool]:
    """The checked new state, None where nothing changes; and whether the client named the revision."""
    served = wanted.served
    old = served.hub_json(current)
    new = wanted.make({} if wanted.replaces else served.hub_json(current))
    metadata = new["metadata"]
    said = metadata.pop("resourceVersion", "")
    old["metadata"].pop("resourceVersion", None)
    conditional = bool(said) and said != "0"
    if conditional and said != str(current.revision):
        raise conflict(served.entry.plural, wanted.name, served.entry.group)
    _same_object(served, metadata, old["metadata"])
    if not wanted.own_rules:
        _prepare(served, new, old, wanted.subresource)
    if wanted.own is not None:
        wanted.own(new, old)
    else:
        _same_managers(metadata, old["metadata"])
    attempt = Attempt(
        "UPDATE", served, wanted.namespace, new, old, request, wanted.subresource, wanted.dry, current.revision
    )
    if not wanted.own_rules:
        await backend.admission.admit(attempt)
    if _shares(new, old) and not (served.waits and served.outdated(current)):
        if backend.admission.asks_others and not wanted.own_rules:
            await backend.admission.validate(attempt)
        return None, conditional
    if wanted.own_rules:
        return new, conditional
    judge = partial(served.entry.validate_update, new, old, wanted.subresource)
    if causes := await judged(backend.env, judge, request.warn):
        raise invalid(served.entry.kind, wanted.name, causes, served.kind.group)
    await backend.admission.validate(attempt)
    if served.kind.warnings is not None and not wanted.subresource:
        for text in served.kind.warnings(new, old):
            request.warn(text)
    return new, conditional


def _shares(new: Json, old: Json) -> bool:
    """Whether nothing changes. What is equal becomes one, so that those who compare it from now on are done at once:
    behind admission nobody changes the parts of either any more."""
    for name, value in old.items():
        if name in new and new[name] == value:
            new[name] = value
    return new == old


def _same_object(served: Served, new: Json, old: Json) -> None:
    if (uid := new.get("uid")) and uid != old.get("uid"):
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old.get('uid', '')}"
        raise conflict(served.entry.plural, old["name"], served.entry.group, why)
    for name in _KEPT:
        if name in old and not new.get(name):
            new[name] = old[name]
        elif name not in old:
            new.pop(name, None)
    new.pop("selfLink", None)
    new.setdefault("name", old["name"])


def _same_managers(new: Json, old: Json) -> None:
    new.pop("managedFields", None)
    if "managedFields" in old:
        new["managedFields"] = old["managedFields"]


def _prepare(served: Served, new: Json, old: Json, subresource: str) -> None:
    if subresource == "status":
        served.kind.prepare_status(new, old)
    else:
        served.kind.prepare_update(new, old, subresource)


async def _store(backend: Backend, wanted: Change, key: str, current: Object, new: Json) -> Object:
    served = wanted.served
    if wanted.dry:
        return backend.imagine(key, new, current.revision)
    if new["metadata"].get("deletionTimestamp") and complete(served, new, had=current.json()):
        gone = await backend.cache.delete(key, expect=current.revision, last=encode(new))
        await backend.allocator.deleted(served, gone)
        return gone
    async with backend.allocator.updating(served, new, current):
        described = backend.describe.of(key, new)
        return await backend.cache.update(key, encode(new), expect=current.revision, described=described)
