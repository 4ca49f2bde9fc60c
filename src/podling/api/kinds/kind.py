"""What a built-in kind is: one frozen declaration, the same shape for all of them.

Facts (fields, types, names, verbs) come from the packaged tables; a `Kind` holds what cannot be said in data: defaults
set in code, cross-field validation, what a create or an update may touch, columns, conversions. Whoever serves objects
asks these declarations and never the name of a kind. Each file below this package that holds a constant `KIND` is found
by `all_kinds`; kinds without a file are generic (`generic`).

Functions that change an object do so in place, on the request's own decoded JSON in the hub version.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import msgspec

import podling.api.kinds as kinds
from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View

Json = dict[str, Any]
Cell = Callable[[Json, float], Any]


class Generic(View, frozen=True):
    """The view of kinds nobody here decides about: metadata only, for garbage collection and namespaces."""

    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a Table. `cell(object, now)` gives a string, int or None; `now` is in seconds since the epoch.

    Columns of priority 1 are shown by `-o wide` only.
    """

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True)
class Conversion:
    """Another version of the kind: how it reads in the hub's words and back.

    `default` fills in what that version filled in, in its time; `to_hub` takes a defaulted object and returns a new
    one; `from_hub` takes a hub object and returns a new one. Law: `from_hub(to_hub(x)) == default(x)`.
    """

    group: str
    version: str
    default: Callable[[Json], None]
    to_hub: Callable[[Json], Json]
    from_hub: Callable[[Json], Json]
    validate_create: Callable[[Json], list[Cause]] = lambda obj: []
    """Findings about a new hub object that only this version tells of."""
    mutable: frozenset[str] = frozenset()
    """Paths that an update in this version may change, though later versions made them immutable."""
    field_names: frozenset[tuple[str, str]] = frozenset()
    """Selectable fields by this version's names, each with the hub's; empty where they are the same."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Where the Scale subresource reads and writes: paths as in CRDs, e.g. `.spec.replicas`."""

    spec_replicas: str = ".spec.replicas"
    status_replicas: str = ".status.replicas"
    selector: str = ".spec.selector"


def _nothing(obj: Json) -> None:
    """Leaves the object as it is."""


def _no_change(new: Json, old: Json) -> None:
    """Leaves the object as it is."""


def _no_deletion(obj: Json, now: float) -> None:
    """Leaves the object as it is."""


def _valid(obj: Json) -> list[Cause]:
    return []


def _valid_update(new: Json, old: Json) -> list[Cause]:
    return []


def _created(obj: Json, now: float) -> str:
    return str(obj["metadata"].get("creationTimestamp", ""))


NAME = Column("Name", lambda obj, _: obj["metadata"].get("name", ""), format="name", description="Name of the object.")
CREATED_AT = Column("Created At", _created, "date", description="When the object was created.")


def _no_fields(obj: Json) -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Strategy:
    """What a write may touch, in upstream's words (rest.RESTCreateUpdateStrategy).

    `on_create(obj)` and `on_update(new, old)` run after the general rules and hold what a kind does beyond them.
    """

    status: bool = False
    """Has a status that only the status subresource writes."""
    generation: bool = False
    """metadata.generation counts changes of everything but metadata and status."""
    empty_status: Mapping[str, Any] = field(default_factory=dict)
    """The status of a new object, as Go writes one that nobody has set."""
    status_on_create: bool = False
    """A create may bring its status (Node)."""
    status_keeps_metadata: bool = False
    """Updates of the status subresource cannot change labels, annotations, finalizers, owners either."""
    create_on_update: bool = False
    """PUT of an absent object creates it."""
    unconditional_update: bool = True
    """PUT without resourceVersion is allowed."""
    subresource_fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The fields of spec that an update through a subresource (ephemeralcontainers, resize) can change."""
    through: Mapping[str, Callable[[Json, Json], None]] = field(default_factory=dict)
    """How an update through a subresource (approval, status) is prepared, in place of the general rules: (new, old)."""
    returns_deleted: bool = False
    """DELETE answers with the object instead of a Status."""
    orphans_in: frozenset[tuple[str, str]] = frozenset()
    """Group and version of those APIs whose DELETE leaves the dependents alone where the request does not say."""
    orphan_warning: str = ""
    """The Warning for such a DELETE."""
    on_create: Callable[[Json], None] = _nothing
    on_update: Callable[[Json, Json], None] = _no_change
    on_delete: Callable[[Json, float], None] = _no_deletion
    """What a DELETE leaves on the object (in place; `now` in seconds), e.g. a finalizer."""


# metadata that updates of the status subresource leave alone where `status_keeps_metadata`.
_STATUS_METADATA = ("labels", "annotations", "finalizers", "ownerReferences", "deletionTimestamp", "generation")


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of the API in its hub version (the newest stable one, which is stored)."""

    group: str
    version: str
    kind: str
    view: type[View] = Generic
    defaults: Callable[[Json], None] = _nothing
    fills_parts_alone: bool = False
    """What `defaults` fills into a part (spec, status) depends on that part alone: one that a patch leaves as it was
    stored needs nothing."""
    validate: Callable[[Json], list[Cause]] = _valid
    """Findings about everything but metadata, which `podling.api.meta` checks."""
    validate_create: Callable[[Json], list[Cause]] = _valid
    """Findings about what a new object must not say, though a stored one may."""
    validate_update: Callable[[Json, Json], list[Cause]] = _valid_update
    """Findings about the change (new, old) only; `validate` runs too."""
    validate_status: Callable[[Json, Json], list[Cause]] = _valid_update
    """Findings about an update of the status subresource (new, old)."""
    warnings: Callable[[Json, Json | None], list[str]] | None = None
    """The Warnings about a write (new, old or None for a new object) that is allowed and probably not meant."""
    name_rule: Callable[[str], list[str]] = names.dns_subdomain
    """What is wrong with a metadata.name, as texts."""
    strategy: Strategy = Strategy()
    columns: tuple[Column, ...] = (NAME, CREATED_AT)
    fields: Callable[[Json], dict[str, str]] = _no_fields
    """Values of the selectable fields by path, besides metadata.name and metadata.namespace."""
    field_names: frozenset[str] = frozenset()
    """The paths `fields` may answer; a field selector naming another is refused."""
    conversions: tuple[Conversion, ...] = ()
    scale: Scale | None = None
    grace: Callable[[Json, int | None], int] | None = None
    """Seconds a deletion waits (object, gracePeriodSeconds of the request); None: deletion is immediate."""
    needs_controller: bool = False
    """An object of it does nothing until a controller acts on it."""
    subresource_validation: Mapping[str, Callable[[Json, Json], list[Cause]]] = field(default_factory=dict)
    """Validation of updates through other subresources (ephemeralcontainers, resize), in place of validate_update."""

    @cached_property
    def decode(self) -> Callable[[bytes], Any]:
        """Stored JSON to the typed view; the decoder is shared. Numbers written as strings are forgiven."""
        return msgspec.json.Decoder(self.view, strict=False).decode

    @property
    def validates(self) -> bool:
        """Whether the declaration has a validation of its own; else the markers of the type table say what is wrong."""
        return self.validate is not _valid

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def conversion(self, group: str, version: str) -> Conversion | None:
        """The conversion of another version, None for the hub itself; KeyError if the kind has no such version."""
        if (group, version) == (self.group, self.version):
            return None
        for conversion in self.conversions:
            if (conversion.group, conversion.version) == (group, version):
                return conversion
        raise KeyError(f"{group}/{version} {self.kind}")

    def prepare_create(self, obj: Json) -> None:
        """Drops what a client may not say on create and starts the generation."""
        strategy = self.strategy
        if strategy.status and not strategy.status_on_create:
            obj["status"] = dict(strategy.empty_status)
        metadata = obj.setdefault("metadata", {})
        metadata.pop("generation", None)
        if strategy.generation:
            metadata["generation"] = 1
        strategy.on_create(obj)

    def prepare_update(self, new: Json, old: Json, subresource: str = "") -> None:
        """Keeps the old status and counts the generation when anything but metadata and status changed."""
        strategy = self.strategy
        if subresource in strategy.through:
            strategy.through[subresource](new, old)
            return
        if subresource in strategy.subresource_fields:
            given, own = new.get("spec") or {}, strategy.subresource_fields[subresource]
            kept = {name: value for name, value in old["spec"].items() if name not in own}
            new["spec"] = {**kept, **{name: given[name] for name in own if name in given}}
        if strategy.status:
            _restore(new, old, "status")
        _restore(new["metadata"], old["metadata"], "generation")
        strategy.on_update(new, old)
        if strategy.generation and _content(new) != _content(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def prepare_status(self, new: Json, old: Json) -> None:
        """An update of the status subresource: everything but status and metadata stays as it was."""
        if "status" in self.strategy.through:
            self.strategy.through["status"](new, old)
        for key in {*new, *old} - {"apiVersion", "kind", "metadata", "status"}:
            _restore(new, old, key)
        kept = _STATUS_METADATA if self.strategy.status_keeps_metadata else ("generation", "deletionTimestamp")
        for key in kept:
            _restore(new["metadata"], old["metadata"], key)


def _restore(new: Json, old: Json, key: str) -> None:
    if key in old:
        new[key] = old[key]
    else:
        new.pop(key, None)


def _content(obj: Json) -> Json:
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata", "status")}


def generic(group: str, version: str, kind: str, *, has_status: bool) -> Kind:
    """The declaration of a kind without a file: name and age as columns, everything else from the tables."""
    return Kind(group, version, kind, strategy=Strategy(status=has_status, generation=has_status))


@cache
def all_kinds() -> tuple[Kind, ...]:
    """Every declared kind: the constants `KIND` of the modules below this package, in order of their names."""
    found: list[Kind] = []
    for module in sorted(pkgutil.walk_packages(kinds.__path__, f"{kinds.__name__}."), key=lambda info: info.name):
        declared = getattr(importlib.import_module(module.name), "KIND", None)
        if isinstance(declared, Kind):
            found.append(declared)
    return tuple(found)
