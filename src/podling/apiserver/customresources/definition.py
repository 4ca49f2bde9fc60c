"""One established CRD as resources of the catalog and what serves them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from podling.api import meta
from podling.api.catalog import Resource, Subresource
from podling.api.errors import Cause
from podling.api.kinds.apiextensions.customresource import Version, versions_of
from podling.api.kinds.kind import Kind
from podling.api.objects import Object
from podling.api.schema import Type
from podling.apiserver.customresources.conversion import Converter, Unconverted
from podling.apiserver.customresources.names import is_true
from podling.apiserver.registry.served import Served

Json = dict[str, Any]

NEVER = 2**63
REMEMBERED_BYTES = 32 << 20
SLICE = 64
"""Objects that are decoded before the loop is let go."""
VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
PART_VERBS = ("get", "patch", "update")


@dataclass(frozen=True, eq=False)
class CustomResource(Resource):
    """A resource whose old objects may have been stored under another schema.

    `since` is the revision at which this definition came: what was written later is in its shape already.
    """

    compiled: Version | None = None
    since: int = 0
    schema: str = ""
    """The schema as OpenAPI documents show it, as JSON."""
    converter: Converter | None = None
    """None where versions differ in apiVersion only."""
    normalizers: Mapping[str, Callable[[Json], Json]] = field(default_factory=dict)
    """By apiVersion: an object stored in it, as that version has it now."""

    def to_hub(self, obj: Json) -> Json:
        """Raises Unconverted."""
        if self.converter is None:
            return super().to_hub(obj)
        return self.converter.get(obj, f"{self.group}/{self.declaration.version}")

    def from_hub(self, obj: Json) -> Json:
        """An object as stored, pruned and defaulted for this version; may be the same dict. Raises Unconverted."""
        assert self.compiled is not None
        if self.converter is not None and obj.get("apiVersion") != self.api_version:
            return self.converter.get(self._normal(obj), self.api_version)
        revision = int(obj["metadata"].get("resourceVersion") or self.since + 1)
        current = obj.get("apiVersion") == self.api_version and revision > self.since
        return obj if current else self.compiled.normalize(obj)

    def to_storage(self, obj: Json) -> Json:
        """A stored object in the version that is stored now. Raises Unconverted."""
        version = f"{self.group}/{self.declaration.version}"
        if self.converter is None or obj.get("apiVersion") == version:
            return obj
        return self.converter.get(self._normal(obj), version)

    def _normal(self, obj: Json) -> Json:
        normalize = self.normalizers.get(obj.get("apiVersion") or "")
        return normalize(obj) if normalize is not None else obj

    def validate(self, obj: Json) -> list[Cause]:
        """In the version of the request, whose schema it has to meet. Raises Overlong, Unconverted."""
        return super().validate(obj if self.converter is None else self.from_hub(obj))

    def validate_update(self, new: Json, old: Json, subresource: str = "") -> list[Cause]:
        """Only what the update touches has to be right (ratcheting). Raises Overlong, Unconverted."""
        assert self.compiled is not None
        causes = meta.validate_update(new["metadata"], old["metadata"])
        if self.converter is not None:
            new, old = self.from_hub(new), self.from_hub(old)
        return causes + self.compiled.judge(new, old)


class CustomServed(Served):
    """Serves stored bytes where they are as this version has them, and converts what is older."""

    __slots__ = ("_custom", "_kept", "_plain", "_since", "_size", "waits")

    schema_stays = False

    def __init__(self, entry: CustomResource, hub: Resource, type_: Type, hub_type: Type) -> None:
        super().__init__(entry, hub, type_, hub_type)
        self._kept: dict[str, tuple[Object, bytes | None]] = {}
        """By key: what is shown of a revision, None where that is what is stored."""
        self._size = 0
        self._custom, self.waits = entry, entry.converter is not None
        self._plain, self._since = entry.is_hub, NEVER if self.waits else entry.since
        self.item = self.listed = self._item

    def _item(self, obj: Object) -> bytes:
        if self._plain and obj.revision > self._since:
            return obj.served()
        kept = self._kept.get(obj.key)
        if kept is None or kept[0] is not obj:
            kept = self._keep(obj)
        return obj.served() if kept[1] is None else kept[1]

    def _keep(self, obj: Object) -> tuple[Object, bytes | None]:
        """Look at an object once a revision: most are as this version has them, whatever schema they came by."""
        stored = obj.json()
        shown = self._custom.from_hub(stored)
        same = shown == stored
        data = None if same else orjson.dumps(shown)
        size = len(obj.raw) + len(data or b"")  # objects that are gone are held by nobody else
        self._size += size
        if self._size > REMEMBERED_BYTES:
            self._kept.clear()
            self._size = size
        kept = self._kept[obj.key] = (obj, data)
        return kept

    def hub_json(self, obj: Object) -> Json:
        return self._custom.to_storage(obj.json())

    def outdated(self, obj: Object) -> bool:
        return bool(obj.json()["apiVersion"] != f"{self.kind.group}/{self.kind.version}")

    def tabled(self, obj: Object) -> Json:
        return self.json(obj)

    async def ready(self, objects: Iterable[Object]) -> None:
        """Until all of them can be shown in this version and changed in the stored one. Raises ConversionFailed."""
        converter = self._custom.converter
        if converter is None:
            return
        unknown: dict[str, list[Json]] = {}
        for index, obj in enumerate(objects, 1):
            stored = obj.json()
            for look in (self._custom.from_hub, self._custom.to_storage):
                try:
                    look(stored)
                except Unconverted as wanted:
                    unknown.setdefault(wanted.wanted, []).extend(wanted.objects)
            if not index % SLICE:
                await asyncio.sleep(0)
        for wanted_version, waiting in unknown.items():
            await converter.convert(waiting, wanted_version)


@dataclass(frozen=True, eq=False)
class Definition:
    """What one CRD adds to the server."""

    entries: tuple[CustomResource, ...]
    """The served versions."""
    served: Mapping[tuple[str, str, str], CustomServed]
    stored: CustomServed
    """The storage version, served or not."""
    kind: Kind

    @property
    def place(self) -> str:
        """`stable.example.com/crontabs`: the beginning of its objects' keys."""
        return self.stored.prefix().rstrip("/")


def define(crd: Json, metadata: Type, since: int, converter: Converter | None = None) -> Definition:
    """`crd`: an established CRD; `metadata`: the type of ObjectMeta; `since`: the revision it is served from;
    `converter` where the CRD names a conversion webhook."""
    versions = versions_of(crd, metadata)
    if any(each.type.schema != other.type.schema for each in versions.values() for other in versions.values()):
        # A write through another version may leave fields that the stored one does not know.
        since = NEVER
    entries = {name: _entry(crd, version, since) for name, version in versions.items()}
    if converter is not None:
        normalizers = {entries[name].api_version: version.normalize for name, version in versions.items()}
        entries = {
            name: replace(entry, converter=converter, normalizers=normalizers) for name, entry in entries.items()
        }
    storage = next(each["name"] for each in crd["spec"]["versions"] if each.get("storage"))
    hub = entries[storage]
    served = {
        name: CustomServed(entry, hub, versions[name].type, versions[storage].type) for name, entry in entries.items()
    }
    on = [name for name, version in versions.items() if version.said.get("served")]
    return Definition(
        entries=tuple(entries[name] for name in on),
        served={(hub.group, name, hub.plural): served[name] for name in on},
        stored=served[storage],
        kind=_stored_kind(versions, storage),
    )


def _stored_kind(versions: Mapping[str, Version], storage: str) -> Kind:
    """The storage version's, with the selectable fields of all: one object is found by any version's."""
    kinds = [version.kind for version in versions.values()]
    names = frozenset[str]().union(*(kind.field_names for kind in kinds))
    own = versions[storage].kind
    if names == own.field_names:
        return own

    def fields(obj: Json) -> dict[str, str]:
        return {name: value for kind in kinds for name, value in kind.fields(obj).items()}

    return replace(own, fields=fields, field_names=names)


def _entry(crd: Json, version: Version, since: int) -> CustomResource:
    spec = crd["spec"]
    accepted = (crd.get("status") or {}).get("acceptedNames") or {}
    deleting = is_true((crd.get("status") or {}).get("conditions") or (), "Terminating")
    return CustomResource(
        group=spec["group"],
        version=version.name,
        plural=spec["names"]["plural"],
        singular=accepted.get("singular") or "",
        kind=spec["names"]["kind"],
        namespaced=spec["scope"] == "Namespaced",
        verbs=tuple(verb for verb in VERBS if not (deleting and verb == "create")),
        short_names=tuple(accepted.get("shortNames") or ()),
        categories=tuple(accepted.get("categories") or ()),
        subresources=_subresources(spec, version),
        declaration=version.kind,
        hub_plural=spec["names"]["plural"],
        deprecated=_deprecation(spec, version.said),
        compiled=version,
        since=since,
        schema=orjson.dumps(version.type.schema).decode(),
    )


def _subresources(spec: Json, version: Version) -> dict[str, Subresource]:
    said = version.said.get("subresources") or {}
    out: dict[str, Subresource] = {}
    if said.get("status") is not None:
        out["status"] = Subresource("status", spec["group"], version.name, spec["names"]["kind"], PART_VERBS)
    if said.get("scale") is not None:
        out["scale"] = Subresource("scale", "autoscaling", "v1", "Scale", PART_VERBS)
    return out


def _deprecation(spec: Json, said: Mapping[str, Any]) -> str:
    if not said.get("deprecated"):
        return ""
    named = f"{spec['group']}/{said['name']} {spec['names']['kind']}"
    return str(said.get("deprecationWarning") or f"{named} is deprecated")
