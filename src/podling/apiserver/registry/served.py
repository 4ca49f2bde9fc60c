"""A resource in one served version with everything its endpoints need, looked up once.

The catalog says what there is; here a resource gets its place in the store, its type, and the way of its objects
between the store's bytes (hub version, no resourceVersion) and a client's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from podling.api.catalog import Catalog, Resource
from podling.api.errors import NotFound, RequestEntityTooLarge
from podling.api.objects import Object, prefix_of
from podling.api.schema import Schemas, Type
from podling.api.schema.check import zero

Json = dict[str, Any]
MAX_OBJECT = 1536 * 1024
"""Bytes of one object as it is stored: etcd's limit."""

# Keys keep the place where they were first set.
_FIRST: Json = {"kind": "", "apiVersion": "", "metadata": {}}


class Served:
    """One resource in one version. `qualified` is how messages name it: `replicasets.apps`."""

    __slots__ = (
        "_lead",
        "_prefix",
        "_status",
        "api_version",
        "entry",
        "hub",
        "item",
        "kind",
        "list_head",
        "listed",
        "type",
    )

    waits: bool = False
    """Whether objects have to be made `ready` before they are shown: versions that a webhook converts."""

    schema_stays: bool = True
    """Whether what is stored meets the type of today: definitions of custom resources change."""

    def __init__(self, entry: Resource, hub: Resource, type_: Type | None, hub_type: Type | None) -> None:
        self.entry, self.hub, self.type = entry, hub, type_
        self._status = _zero_status(hub_type) if entry.declaration.strategy.status else b""
        self.kind = entry.declaration
        self.api_version = entry.api_version
        self.item: Callable[[Object], bytes] = Object.served if entry.is_hub else self._converted
        """The JSON of an object in this version."""
        self.listed: Callable[[Object], bytes] = self._listed
        """The same as an item of a list, which does not say again of what kind it is."""
        self._lead = f'{{"kind":"{entry.kind}","apiVersion":"{entry.api_version}","metadata":{{'.encode()
        self._prefix = prefix_of(entry.storage_group, entry.hub_plural)
        self.list_head = f'{{"kind":"{entry.kind}List","apiVersion":"{entry.api_version}","metadata":'.encode()

    @property
    def qualified(self) -> str:
        return f"{self.entry.plural}.{self.entry.group}" if self.entry.group else self.entry.plural

    def prefix(self, namespace: str = "") -> str:
        return f"{self._prefix}{namespace}/" if namespace else self._prefix

    def key(self, namespace: str, name: str) -> str:
        return f"{self._prefix}{namespace}/{name}" if namespace else f"{self._prefix}{name}"

    def complete_status(self, hub: Json) -> None:
        """Give a new hub object the status that Go writes for one nobody has set, e.g. `{"replicas": 0}`."""
        if self._status and "status" not in hub:
            hub["status"] = orjson.loads(self._status)

    def json(self, obj: Object) -> Json:
        """A fresh copy in this version."""
        return self.entry.from_hub(obj.json())

    def hub_json(self, obj: Object) -> Json:
        """A fresh copy in the hub version."""
        return obj.json()

    def outdated(self, obj: Object) -> bool:
        """Whether it is stored in another version than writes are now: then one that changes nothing counts."""
        return False

    def tabled(self, obj: Object) -> Json:
        """A fresh copy as the columns read it."""
        return obj.json()

    async def ready(self, objects: Iterable[Object]) -> None:
        """Until the objects can be shown without waiting. Raises ApiError."""

    def _converted(self, obj: Object) -> bytes:
        return orjson.dumps(self.json(obj))

    def _listed(self, obj: Object) -> bytes:
        raw = obj.raw
        if self.entry.is_hub and raw.startswith(self._lead):
            return raw.replace(self._lead, b'{"metadata":{"resourceVersion":"%d",' % obj.revision, 1)
        value = self.json(obj)
        return orjson.dumps({name: part for name, part in value.items() if name not in ("kind", "apiVersion")})


def _zero_status(hub_type: Type | None) -> bytes:
    field = hub_type.fields.get("status") if hub_type is not None else None
    if field is None or field.pointer or field.type.shape != "struct":
        return b""
    return orjson.dumps(zero(field.type))


def encode(obj: Json) -> bytes:
    """What the store keeps of a hub object: kind and version first, then metadata (`Object.served` splices there),
    never a resourceVersion. Raises RequestEntityTooLarge, in etcd's words, by which clients know it."""
    ordered = {**_FIRST, **obj}
    if "resourceVersion" in obj["metadata"]:
        ordered["metadata"] = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
    raw = orjson.dumps(ordered)
    if len(raw) > MAX_OBJECT:
        raise RequestEntityTooLarge("etcdserver: request is too large")
    # orjson's bytes keep the room they grew in, several times their length, and these are kept.
    return bytes(memoryview(raw))


class Resources:
    """`Served` by group, version and plural."""

    def __init__(self, catalog: Catalog, schemas: Schemas) -> None:
        self._builtin: dict[tuple[str, str, str], Served] = {}
        for entry in catalog.resources:
            hub = catalog.hub(entry)
            types = [schemas.kind(each.group, each.version, each.kind) for each in (entry, hub)]
            self._builtin[entry.group, entry.version, entry.plural] = Served(entry, hub, *types)
        self._found = self._builtin
        self._kept: dict[str, list[Served]] = {}
        """By place in the store; made when it is first asked for."""
        self.waiting = False
        """Whether any resource `waits`: writes of others may read it on their way (parameters of policies)."""

    def serve(self, custom: Mapping[tuple[str, str, str], Served]) -> None:
        """The custom resources from now on, beside the built-in ones."""
        self._found = {**custom, **self._builtin}
        self._kept = {}
        self.waiting = any(served.waits for served in custom.values())

    def equivalents(self, served: Served) -> list[Served]:
        """All served versions of the same stored objects, that one too."""
        if not self._kept:
            for each in self._found.values():
                self._kept.setdefault(each.prefix(), []).append(each)
        return self._kept.get(served.prefix(), [served])

    def of_kind(self, group: str, version: str, kind: str) -> Served | None:
        """The resource whose objects are of a kind, and are kept."""
        for (own_group, own_version, _), served in self._found.items():
            if (own_group, own_version, served.entry.kind) == (group, version, kind) and served.entry.stored:
                return served
        return None

    def find(self, group: str, version: str, plural: str) -> Served | None:
        return self._found.get((group, version, plural))

    def get(self, group: str, version: str, plural: str) -> Served:
        """Raises NotFound in upstream's words."""
        found = self._found.get((group, version, plural))
        if found is None:
            raise unknown_path()
        return found


def unknown_path() -> NotFound:
    return NotFound("the server could not find the requested resource")
