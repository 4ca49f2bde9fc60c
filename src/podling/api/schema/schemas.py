"""The types of the packaged table, found by group, version and kind.

A package of the table is named by the first word of its API group (`rbac/v1` is `rbac.authorization.k8s.io/v1`); the
kinds of `meta/v1` (DeleteOptions, Status …) belong to every group, as upstream registers them everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from podling.api.schema.table import FieldRow, ResourceRow, Table, TypeRow, open_table
from podling.api.schema.types import Field, Shape, Type

GROUPS: Final[Mapping[str, str]] = {
    "core": "",
    "rbac": "rbac.authorization.k8s.io",
    "flowcontrol": "flowcontrol.apiserver.k8s.io",
    "apiserverinternal": "internal.apiserver.k8s.io",
    "apps": "apps",
    "batch": "batch",
    "autoscaling": "autoscaling",
    "policy": "policy",
    "extensions": "extensions",
}
PACKAGES: Final[Mapping[str, str]] = {group: package for package, group in GROUPS.items()}

SCALARS: Final[Mapping[str, Shape]] = {
    "string": "string",
    "bool": "bool",
    "int32": "int32",
    "int64": "int64",
    "float64": "float64",
    "types.UID": "string",
    "types.NodeName": "string",
    "intstr.IntOrString": "intorstring",
    "resource.Quantity": "quantity",
    "runtime.RawExtension": "raw",
    "ast.InterfaceType": "json",
    "Object": "raw",
}
META: Final[Mapping[str, Shape]] = {
    "Time": "time",
    "MicroTime": "microtime",
    "Duration": "duration",
    "FieldsV1": "fields",
}
# Types whose JSON is not the JSON of their Go struct.
UNIONS: Final[Mapping[str, Shape]] = {
    "JSON": "json",
    "JSONSchemaPropsOrArray": "schemaorarray",
    "JSONSchemaPropsOrBool": "schemaorbool",
    "JSONSchemaPropsOrStringArray": "schemaorstrings",
}
# meta/v1 declares these for discovery and tests; they are kinds of no group.
META_KINDS_OF_ITS_OWN: Final = frozenset({"APIGroup", "APIGroupList", "APIResourceList", "APIVersions"})


def group_of(package: str) -> tuple[str, str]:
    """`rbac/v1` → (`rbac.authorization.k8s.io`, `v1`)."""
    word, _, version = package.partition("/")
    return GROUPS.get(word, f"{word}.k8s.io"), version


def package_of(group: str, version: str) -> str:
    """The inverse: (`networking.k8s.io`, `v1`) → `networking/v1`."""
    word = PACKAGES.get(group) or (group.removesuffix(".k8s.io") if group.endswith(".k8s.io") else group)
    return f"{word}/{version}"


class Schemas:
    """All types of the table. `Schemas(open_table())` or `load()`; lookups are lazy and remembered."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._types: dict[str | tuple[str, int], Type] = {}

    @property
    def resources(self) -> Mapping[str, Mapping[str, ResourceRow]]:
        """group/version → resource or resource/subresource → row; removed versions have `removed`."""
        return self._table.resources

    @property
    def edition(self) -> str:
        """Changes with the table: part of the hash of everything that is derived from it and cached by clients."""
        return self._table.edition

    @property
    def group_versions(self) -> Iterator[tuple[str, str]]:
        """(group, version) of each package of the table."""
        return (group_of(package) for package in self._table.packages if "/" in package)

    def kind(self, group: str, version: str, kind: str) -> Type | None:
        """The type of a kind, None where the table has none (custom resources, autoscaling/v2beta1 …)."""
        package = package_of(group, version)
        if kind in self._table.package(package):
            return self.named(f"{package}.{kind}")
        if kind in self._table.package("meta/v1") and kind not in META_KINDS_OF_ITS_OWN:
            return self.named(f"meta/v1.{kind}")
        return None

    def kinds(self, group: str, version: str) -> tuple[str, ...]:
        """The names of all types of a group version (kinds and what they are made of), in the table's order."""
        return tuple(self._table.package(package_of(group, version)))

    def named(self, name: str) -> Type:
        """The type `core/v1.PodSpec`. Raises KeyError."""
        found = self._types.get(name)
        if found is None:
            found = self._types[name] = self._make(name)
        return found

    def _make(self, name: str) -> Type:
        package, _, short = name.rpartition(".")
        if package == "meta/v1" and short in META:
            return Type(META[short], name=name, go=f"v1.{short}")
        if package.startswith("apiextensions/") and short in UNIONS:
            row = self._table.package(package)[short]
            return Type(UNIONS[short], name=name, go=self._go(name), declare=lambda: self._fields(package, row))
        row = self._table.package(package)[short]
        if row.fields is not None:
            return Type(
                "struct",
                name=name,
                go=self._go(name),
                map_type=row.struct_type,
                lifecycle=row.life,
                declare=lambda: self._fields(package, row),
            )
        return self._alias(package, name, row)

    def _alias(self, package: str, name: str, row: TypeRow) -> Type:
        under = self.resolve(row.alias, package)
        if under.shape == "struct":
            return under
        return Type(
            under.shape,
            name=name,
            go=self._go(name),
            element=under.element,
            values=row.values or under.values,
            enum=row.enum or under.enum,
            message=row.alias == "[]string",
        )

    def _go(self, name: str) -> str:
        return name.rpartition("/")[2]

    def _fields(self, package: str, row: TypeRow) -> tuple[Field, ...]:
        return tuple(self._field(package, field) for field in row.fields or () if field.name != "-")

    def _field(self, package: str, row: FieldRow) -> Field:
        more = row.more
        return Field(
            name=row.name,
            type=self.resolve(row.type.removeprefix("*"), package),
            number=row.number,
            pointer=row.type.startswith("*"),
            omitempty="o" in row.flags,
            inline="i" in row.flags,
            optional="q" in row.flags,
            required="r" in row.flags,
            enum="e" in row.flags,
            default=more.get("default", msgspec.UNSET),
            list_type=more.get("listType", ""),
            list_map_keys=tuple(more.get("listMapKeys", ())),
            map_type=more.get("mapType", more.get("structType", "")),
            patch_strategy=more.get("patchStrategy", ""),
            patch_merge_key=more.get("patchMergeKey", ""),
            gate=more.get("gate", ""),
            rules=tuple(more.get("rules", ())),
        )

    def resolve(self, go: str, package: str = "") -> Type:
        """The type a Go expression names inside a package: `[]Container` in `core/v1`, `meta/v1.Time` anywhere."""
        if go in SCALARS:
            return self._scalar(go)
        if go == "[]byte":
            return self._remember(go, lambda: Type("bytes", go="[]uint8"))
        if go.startswith("[]"):
            element = self.resolve(go[2:].removeprefix("*"), package)
            return self._remember(("[]", id(element)), lambda: listing(element))
        if go.startswith("map["):
            element = self.resolve(go[go.index("]") + 1 :], package)
            return self._remember(("map", id(element)), lambda: mapping(element))
        return self.named(go if "." in go else f"{package}.{go}")

    def _scalar(self, go: str) -> Type:
        return self._remember(go, lambda: Type(SCALARS[go], go=go))

    def _remember(self, key: str | tuple[str, int], make: Callable[[], Type]) -> Type:
        found = self._types.get(key)
        if found is None:
            found = self._types[key] = make()
        return found


def listing(element: Type) -> Type:
    return Type("list", go=f"[]{element.go}", element=element)


def mapping(element: Type) -> Type:
    return Type("map", go=f"map[string]{element.go}", element=element)


def load() -> Schemas:
    """The schemas of the packaged table; about a millisecond, the rest when it is looked at."""
    return Schemas(open_table())
