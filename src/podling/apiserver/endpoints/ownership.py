"""Who writes, and what an object's managedFields become by it: the side of server-side apply that all writes share.

A writer's name is the query's fieldManager, else the first word of its User-Agent; components inside this process say
neither and are known by their user. The rules are in `api/patch/managedfields.py`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from podling.api.errors import Cause, Invalid, NotFound
from podling.api.patch import managedfields
from podling.api.patch.apply import compared
from podling.api.patch.compare import created
from podling.api.patch.managedfields import Entry, Manager, Operation
from podling.api.patch.structure import Plan, plan_of
from podling.api.patch.values import copied
from podling.api.schema import Type
from podling.apiserver.backend import Backend
from podling.apiserver.message import Request
from podling.apiserver.registry.served import Served
from podling.env import rfc3339

Json = dict[str, Any]
LONGEST_NAME = 128
LONGEST_AGENT = 512  # longer ones are not remembered
_OWN_NAMES = {"system:apiserver": "kube-apiserver"}


class Versions:
    """How the objects of a resource look in its other versions (`api.patch.apply.Versions`).

    Versions of a custom resource differ by their names and schemas only, so their objects need no converting here.
    """

    def __init__(self, backend: Backend, served: Served) -> None:
        self._backend, self._served = backend, served
        self._found: dict[str, Served | None] = {served.api_version: served}

    def plan(self, api_version: str) -> Plan | None:
        found = self._get(api_version)
        return plan_of(found.type) if found is not None and found.type is not None else None

    def convert(self, obj: Json, old: str, new: str) -> Json:
        if old == new:
            return obj
        before, after = self._get(old), self._get(new)
        assert before is not None and after is not None
        if before.type is not None:
            obj = without_nulls(copied(obj), before.type)
        hub = obj if before.entry.is_hub else before.entry.to_hub(copied(obj))
        return hub if after.entry.is_hub else after.entry.from_hub(copied(hub))

    def _get(self, api_version: str) -> Served | None:
        if api_version not in self._found:
            self._found[api_version] = self._look(api_version)
        return self._found[api_version]

    def _look(self, api_version: str) -> Served | None:
        group, _, version = api_version.rpartition("/")
        own, kind = self._served.entry, self._served.kind
        if group == own.group:
            try:
                return self._backend.resources.get(group, version, own.plural)
            except NotFound:
                return None
        for entry in self._backend.catalog.resources:
            if entry.declaration is kind and entry.api_version == api_version:
                return self._backend.resources.get(entry.group, entry.version, entry.plural)
        return None


def unset_fields(served: Served, subresource: str) -> frozenset[str]:
    """The fields at the top that a way of writing ignores: status is written by its subresource only, which writes
    nothing else."""
    if subresource == "status":
        fields = served.type.fields if served.type is not None else {}
        kept = {"status"} if served.kind.strategy.status_keeps_metadata else {"status", "metadata"}
        return frozenset(name for name in fields if name not in kept)
    return frozenset({"status"}) if served.kind.strategy.status else frozenset()


def manager_of(request: Request, served: Served, operation: Operation = "Update") -> Manager:
    """Raises Invalid for a fieldManager that is no name."""
    subresource = request.target.subresource if request.target is not None else ""
    return Manager(_name(request, operation), operation, served.api_version, subresource)


def _name(request: Request, operation: Operation) -> str:
    if name := request.param("fieldManager"):
        _check_name(name, "PatchOptions" if operation == "Apply" or request.method == "PATCH" else "CreateOptions")
        return name
    agent = request.headers.get("user-agent", "")
    if agent:
        return _name_of(agent) if len(agent) < LONGEST_AGENT else _name_of.__wrapped__(agent)
    return _OWN_NAMES.get(request.user.name, request.user.name.rpartition(":")[2]) if request.in_process else "unknown"


@lru_cache(maxsize=1024)
def _name_of(agent: str) -> str:
    name = agent.partition("/")[0]
    if not name.isprintable():
        name = "".join(char for char in name if char.isprintable())
    return name[:LONGEST_NAME] or "unknown"


def _check_name(name: str, options: str) -> None:
    if len(name.encode()) > LONGEST_NAME:
        raise refused(options, "FieldValueTooLong", f"Too long: may not be more than {LONGEST_NAME} bytes")
    for at, char in enumerate(name):
        if not char.isprintable():
            why = f'Invalid value: "{name}": invalid character U+{ord(char):04X} (at position {at})'
            raise refused(options, "FieldValueInvalid", why)


def refused(options: str, reason: str, text: str, field: str = "fieldManager") -> Invalid:
    """An option of the request that cannot be."""
    message = f'{options}.meta.k8s.io "" is invalid: {field}: {text}'
    return Invalid(message, group="meta.k8s.io", kind=options, causes=[Cause(reason, text, field)])


def record_created(backend: Backend, request: Request, served: Served, hub: Json, now: str) -> None:
    """The creator manages all that a new object holds."""
    metadata = hub["metadata"]
    metadata.pop("managedFields", None)
    if served.type is None:
        return
    obj = hub if served.entry.is_hub else served.entry.from_hub(copied(hub))
    fields = created(obj, plan_of(served.type), unset_fields(served, ""))
    if fields:
        metadata["managedFields"] = [Entry(manager_of(request, served), fields, now).to_json()]


class Record:
    """The upkeep of managedFields by one update, as `Change.own`."""

    def __init__(self, backend: Backend, request: Request, served: Served) -> None:
        self._backend, self._served = backend, served
        self._writer = manager_of(request, served)

    def __call__(self, new: Json, old: Json) -> None:
        """Both in the hub version; `new` has the entries its client sent and is given its own."""
        live = old["metadata"].get("managedFields")
        given = new["metadata"].pop("managedFields", None)
        if not live and not given:
            return
        entries = managedfields.sent(given, live)
        if self._served.type is not None:
            versions = Versions(self._backend, self._served)
            given_in = self._served if self._served.entry.is_hub else self._served.hub
            change = compared(old, new, given_in.api_version, versions)
            after = managedfields.updated(entries, self._writer, change, self._now)
        else:
            after = entries
        if after:
            same = after is entries and entries == managedfields.stored(live)
            new["metadata"]["managedFields"] = live if same else managedfields.written(after)

    def _now(self) -> str:
        return rfc3339(self._backend.env.now())


def without_nulls(value: Any, type_: Type) -> Any:
    """In place: what an apply emptied is null, which conversions know as little as Go's structs do."""
    if type_.shape == "struct" and isinstance(value, dict):
        for name, item in list(value.items()):
            if item is None:
                del value[name]
            elif (field := type_.fields.get(name)) is not None:
                without_nulls(item, field.type)
    elif type_.element is not None and isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            without_nulls(item, type_.element)
    return value
