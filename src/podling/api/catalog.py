"""The catalog: which resources are served, in which order discovery lists them, and how each is declared.

Facts about resources come from the packaged table, behaviour from the declarations in `kinds`; here the two meet. The
profile `book` serves what 1.37 serves by default and, last in discovery and never preferred, those removed versions for
which a conversion exists, so that commands and manifests of older books keep working; `current` serves exactly 1.37.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from podling.api import meta
from podling.api.errors import Cause
from podling.api.kinds.kind import Conversion, Json, Kind, all_kinds, generic
from podling.api.schema import Schemas, Type, immutable_causes, load, marker_causes
from podling.api.schema.table import ResourceRow

Profile = Literal["book", "current"]

# Upstream's order of groups (the aggregator's priorities); groups it does not know come after, then removed ones.
GROUP_ORDER: Final = (
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "resource.k8s.io",
    "storagemigration.k8s.io",
)
_VERSION: Final = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
# Resources of which nothing is kept: made when somebody asks. Group, version, plural, kind, namespaced.
COMPUTED: Final = (
    ("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", False),
    ("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", True),
)
# Kinds that are served and deprecated: since which release, and what to use instead.
DEPRECATED: Final = {
    ("", "v1", "ComponentStatus"): ("1.19", ""),
    ("", "v1", "Endpoints"): ("1.33", "discovery.k8s.io/v1 EndpointSlice"),
    **{
        ("rbac.authorization.k8s.io", "v1alpha1", kind): ("1.17", f"rbac.authorization.k8s.io/v1 {kind}")
        for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
    },
    **{
        ("flowcontrol.apiserver.k8s.io", version, kind): (since, f"flowcontrol.apiserver.k8s.io/v1 {kind}")
        for kind in ("FlowSchema", "PriorityLevelConfiguration")
        for version, since in (("v1beta1", "1.23"), ("v1beta2", "1.26"), ("v1beta3", "1.29"))
    },
}


@dataclass(frozen=True, slots=True)
class Subresource:
    """`name` is the last word of the path (`status`); group, version and kind are those of its body."""

    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Resource:
    """One resource in one served version, with the declaration of its kind.

    Objects travel in the version of the request until `to_hub` and in the hub version from there to `from_hub`.
    """

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...]
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    subresources: Mapping[str, Subresource]
    declaration: Kind
    hub_plural: str
    hub_type: Type | None = None
    """The type of the hub version, for kinds whose declaration has no validation of its own."""
    removed: str = ""
    """The release that removed this version upstream, e.g. `1.16`; empty for what 1.37 serves."""
    deprecated: str = ""
    """Upstream's Warning for every request to this version; empty for most."""
    unattended: str = ""
    """The Warning for a create: nothing acts on objects of this kind here; empty where something does."""

    @cached_property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @cached_property
    def is_hub(self) -> bool:
        return self.conversion is None

    @cached_property
    def stored(self) -> bool:
        """Objects of it are kept; reviews, bindings and component statuses are only answered."""
        return "watch" in self.verbs

    @property
    def storage_group(self) -> str:
        """With `hub_plural`, the place in the store (`objects.key_of`)."""
        return self.declaration.group

    @cached_property
    def conversion(self) -> Conversion | None:
        """None for the hub version."""
        return self.declaration.conversion(self.group, self.version)

    @cached_property
    def field_names(self) -> frozenset[tuple[str, str]]:
        """Selectable fields that this version calls otherwise than the hub, both names of each; mostly none."""
        return self.conversion.field_names if self.conversion else frozenset()

    def default(self, obj: Json) -> None:
        """Fills in, in place, what this version fills in, beyond the defaults that the type table holds."""
        (self.conversion.default if self.conversion else self.declaration.defaults)(obj)

    def to_hub(self, obj: Json) -> Json:
        """An object of this version, defaulted, in the hub version with the hub's defaults; may be the same dict."""
        self.default(obj)
        if self.conversion is None:
            return obj
        hub = self.conversion.to_hub(obj)
        self.declaration.defaults(hub)
        return hub

    def from_hub(self, obj: Json) -> Json:
        """A hub object in this version; may be the same dict."""
        return obj if self.conversion is None else self.conversion.from_hub(obj)

    def validate(self, obj: Json) -> list[Cause]:
        """Everything wrong with a new object in the hub version, metadata first."""
        found = meta.validate(obj["metadata"], self.namespaced, self.declaration.name_rule)
        found += self._content(obj) + self.declaration.validate_create(obj)
        return found + self.conversion.validate_create(obj) if self.conversion else found

    def validate_update(self, new: Json, old: Json, subresource: str = "") -> list[Cause]:
        """Everything wrong with a change in the hub version; `subresource` is `status`, `scale` … or empty."""
        kind = self.declaration
        causes = meta.validate_update(new["metadata"], old["metadata"])
        if subresource == "status":
            return [*causes, *kind.validate_status(new, old)]
        if subresource in kind.subresource_validation:
            return [*causes, *kind.subresource_validation[subresource](new, old)]
        causes += self._content(new)
        if self.conversion is not None and self.conversion.mutable:
            changed = [c for c in kind.validate_update(new, old) if c.field not in self.conversion.mutable]
            return causes + changed
        if self._by_table:
            return causes + immutable_causes(new, old, self._by_table)
        return causes + kind.validate_update(new, old)

    @cached_property
    def _by_table(self) -> Type | None:
        return None if self.declaration.validates else self.hub_type

    def _content(self, obj: Json) -> list[Cause]:
        return marker_causes(obj, self._by_table) if self._by_table else self.declaration.validate(obj)


@dataclass(frozen=True, slots=True)
class Group:
    """An API group as discovery lists it; the first version is the preferred one."""

    name: str
    versions: tuple[str, ...]


class Catalog:
    """All served resources. Frozen once made; make it with `load`."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.resources: Final = tuple(sorted(resources, key=_discovery_order))
        self._by_plural = {(r.group, r.version, r.plural): r for r in self.resources}
        self._by_kind = {(r.group, r.version, r.kind): r for r in self.resources}

    @classmethod
    def load(
        cls,
        profile: Profile = "book",
        acted_on: Collection[tuple[str, str]] = (),
        schemas: Schemas | None = None,
    ) -> Catalog:
        """`acted_on`: (group, kind) of the kinds that have a controller; creating others that need one warns."""
        return cls(_Loader(schemas or load(), frozenset(acted_on)).resources(profile))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Groups in discovery order, "" first, each with its versions, the preferred one first."""
        versions: dict[str, dict[str, None]] = {}
        for resource in self.resources:
            versions.setdefault(resource.group, {})[resource.version] = None
        return tuple(Group(name, tuple(found)) for name, found in versions.items())

    def lookup(self, group: str, version: str, plural: str) -> Resource | None:
        return self._by_plural.get((group, version, plural))

    def by_kind(self, group: str, version: str, kind: str) -> Resource | None:
        return self._by_kind.get((group, version, kind))

    def hub(self, resource: Resource) -> Resource:
        """The resource that the objects of `resource` are stored as."""
        kind = resource.declaration
        return self._by_kind[(kind.group, kind.version, kind.kind)]

    def in_version(self, group: str, version: str) -> tuple[Resource, ...]:
        """The resources of a group version, by name."""
        return tuple(r for r in self.resources if (r.group, r.version) == (group, version))

    @cached_property
    def stored(self) -> tuple[Resource, ...]:
        """The hub resources: one for each kind that is kept in the store."""
        return tuple(r for r in self.resources if r.is_hub and r.stored)


class _Loader:
    """Joins the rows of the table with the declarations."""

    def __init__(self, schemas: Schemas, acted_on: frozenset[tuple[str, str]]) -> None:
        self._schemas, self._acted_on = schemas, acted_on
        self._rows = schemas.resources
        self._kinds: dict[tuple[str, str, str], Kind] = {}
        for kind in all_kinds():
            self._kinds[(kind.group, kind.version, kind.kind)] = kind
            for conversion in kind.conversions:
                self._kinds[(conversion.group, conversion.version, kind.kind)] = kind

    def resources(self, profile: Profile) -> Iterable[Resource]:
        for group_version, rows in self._rows.items():
            group, _, version = group_version.rpartition("/")
            for name, row in rows.items():
                if "/" not in name and self._serves(profile, group, version, row):
                    yield self._resource(group, version, name, row)
        for group, version, plural, kind, namespaced in COMPUTED:
            yield Resource(
                group=group,
                version=version,
                plural=plural,
                singular="",
                kind=kind,
                namespaced=namespaced,
                verbs=("get", "list"),
                short_names=(),
                categories=(),
                subresources={},
                declaration=self._kinds[group, version, kind],
                hub_plural=plural,
            )

    def _serves(self, profile: Profile, group: str, version: str, row: ResourceRow) -> bool:
        if row.removed:
            return profile == "book" and (group, version, row.kind) in self._kinds
        return "alpha" not in version and "beta" not in version

    def _resource(self, group: str, version: str, plural: str, row: ResourceRow) -> Resource:
        rows = self._rows[f"{group}/{version}" if group else version]
        kind = self._kinds.get((group, version, row.kind))
        if kind is None:
            kind = generic(group, version, row.kind, has_status=f"{plural}/status" in rows)
        return Resource(
            group=group,
            version=version,
            plural=plural,
            singular=row.singular or row.kind.lower(),
            kind=row.kind,
            namespaced=row.namespaced,
            verbs=tuple(row.verbs),
            short_names=() if row.removed else tuple(row.short),
            categories=() if row.removed else tuple(row.categories),
            subresources=dict(_subresources(group, version, plural, rows)),
            declaration=kind,
            hub_plural=plural,
            hub_type=self._schemas.kind(kind.group, kind.version, kind.kind),
            removed=row.removed,
            deprecated=self._deprecation(group, version, row),
            unattended=self._unattended(kind),
        )

    def _deprecation(self, group: str, version: str, row: ResourceRow) -> str:
        """`apps/v1beta2 ReplicaSet is deprecated in v1.9+, unavailable in v1.16+; use apps/v1 ReplicaSet`."""
        api_version = f"{group}/{version}" if group else version
        kind, removed = row.kind, row.removed
        since, replacement = DEPRECATED.get((group, version, kind), ("", ""))
        found = self._schemas.kind(group, version, kind)
        if found is not None and "deprecated" in found.lifecycle:
            since, removed = found.lifecycle["deprecated"], found.lifecycle.get("removed", removed)
            if named := found.lifecycle.get("replacement", ""):
                new_group, new_version, new_kind = named.split(",")
                replacement = f"{new_group}/{new_version} {new_kind}" if new_group else f"{new_version} {new_kind}"
        if not since:
            return ""
        text = f"{api_version} {kind} is deprecated in v{since}+"
        text += f", unavailable in v{removed}+" if removed else ""
        return f"{text}; use {replacement}" if replacement else text

    def _unattended(self, kind: Kind) -> str:
        if not kind.needs_controller or (kind.group, kind.kind) in self._acted_on:
            return ""
        return (
            f"no controller acts on {kind.api_version} {kind.kind} here yet: the object is kept, nothing more happens"
        )


def _subresources(
    group: str, version: str, plural: str, rows: Mapping[str, ResourceRow]
) -> Iterable[tuple[str, Subresource]]:
    for name, row in rows.items():
        parent, _, sub = name.partition("/")
        if sub and parent == plural:
            own_group, _, own_version = (row.subresource_of or f"{group}/{version}").rpartition("/")
            yield sub, Subresource(sub, own_group, own_version, row.kind, tuple(row.verbs))


def _discovery_order(resource: Resource) -> tuple[object, ...]:
    """Groups in upstream's order; stable versions before others, the newest first; removed ones last of all."""
    known = resource.group in GROUP_ORDER
    group = GROUP_ORDER.index(resource.group) if known else len(GROUP_ORDER)
    stable = "beta" not in resource.version and "alpha" not in resource.version
    return (group, resource.group, bool(resource.removed), not stable, _newest_first(resource.version), resource.plural)


def _newest_first(version: str) -> tuple[bool, int, int, int, str]:
    """v2 before v1, v1 before v1beta2 before v1beta1 before v1alpha1; names that are no versions last, by name."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return (True, 0, 0, 0, version)
    major, stage, minor = match.groups()
    return (False, {None: 0, "beta": 1, "alpha": 2}[stage], -int(major), -int(minor or 0), "")
