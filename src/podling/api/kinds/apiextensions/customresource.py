"""The kinds that CustomResourceDefinitions declare, in the shape of the built-in ones.

Strategy, columns, selectable fields, validation and conversion follow from the CRD alone; nothing behind this module
knows that a kind was not born here (DESIGN 3.1). Conversion is strategy None: apiVersion changes, and each version
prunes and defaults by its own schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

from podling.api.cel import Budget
from podling.api.errors import Cause
from podling.api.kinds.apiextensions.customcolumns import columns_of, fields_of
from podling.api.kinds.kind import Conversion, Json, Kind, Scale, Strategy
from podling.api.schema.custom import (
    ABSENT,
    BESIDE,
    ON_THE_LOOP,
    CustomType,
    Finding,
    Overlong,
    compile_rules,
    compile_values,
    custom_type,
    judge,
    ratcheted,
)
from podling.api.schema.custom.structural import has_rules
from podling.api.schema.types import Type

ANYTHING: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


@dataclass(frozen=True, eq=False)
class CustomKind(Kind):
    """`Kind` with the strategy of custom resources, which counts generations from every field but metadata."""

    fill: Callable[[Json], None] | None = None
    """Gives a new object the default of its status, where the schema has one (`observedGeneration: -1`)."""

    def prepare_create(self, obj: Json) -> None:
        if self.strategy.status:
            obj.pop("status", None)
            if self.fill is not None:
                self.fill(obj)
        obj.setdefault("metadata", {})["generation"] = 1

    def prepare_update(self, new: Json, old: Json, subresource: str = "") -> None:
        if self.strategy.status:
            _keep(new, old, "status")
        _keep(new["metadata"], old["metadata"], "generation")
        if self._content(new) != self._content(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def prepare_status(self, new: Json, old: Json) -> None:
        """Nothing but the status changes, not even metadata."""
        status, managed = new.get("status"), new["metadata"].get("managedFields")
        for key in [key for key in new if key not in old]:
            del new[key]
        new.update(deepcopy(old))
        if status is None:
            new.pop("status", None)
        else:
            new["status"] = status
        if managed is not None:
            new["metadata"]["managedFields"] = managed

    def _content(self, obj: Json) -> Json:
        beside = ("apiVersion", "kind", "metadata", *(("status",) if self.strategy.status else ()))
        return {key: value for key, value in obj.items() if key not in beside}


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a CRD, compiled."""

    name: str
    kind: CustomKind
    type: CustomType
    said: Mapping[str, Any]
    """The version as the CRD has it."""
    normalize: Callable[[Json], Json]
    """A stored object as this version has it; a new dict."""
    judge: Callable[[Json, Json | None], list[Cause]]
    """What is wrong with a new object, or with the change of an old one. Raises Overlong."""


def versions_of(crd: Json, metadata: Type) -> dict[str, Version]:
    """The versions by name, served or not. `metadata`: the type of ObjectMeta."""
    spec = crd["spec"]
    storage = next(each["name"] for each in spec["versions"] if each.get("storage"))
    kind = spec["names"]["kind"]
    types = {each["name"]: custom_type(_schema(each), kind, metadata) for each in spec["versions"]}
    normalizers = {name: _normalizer(f"{spec['group']}/{name}", type_) for name, type_ in types.items()}
    conversions = tuple(
        Conversion(spec["group"], name, _nothing, _renamed(f"{spec['group']}/{storage}"), normalizers[name])
        for name in types
        if name != storage
    )
    return {
        each["name"]: _version(
            spec, each, storage, types[each["name"]], types[storage], normalizers[each["name"]], conversions
        )
        for each in spec["versions"]
    }


def _version(
    spec: Json,
    said: Json,
    storage: str,
    type_: CustomType,
    stored: CustomType,
    normalize: Callable[[Json], Json],
    conversions: tuple[Conversion, ...],
) -> Version:
    judge = _judge(type_)
    subresources = said.get("subresources") or {}
    fields, names = fields_of(said)
    kind = CustomKind(
        group=spec["group"],
        version=storage,
        kind=spec["names"]["kind"],
        validate=lambda obj: judge(obj, None),
        validate_status=judge,
        strategy=Strategy(status=subresources.get("status") is not None, generation=True, unconditional_update=False),
        columns=columns_of(said),
        fields=fields,
        field_names=names,
        conversions=conversions,
        scale=_scale(subresources.get("scale")),
        fill=stored.fill if "default" in (stored.schema.get("properties") or {}).get("status", {}) else None,
    )
    return Version(said["name"], kind, type_, said, normalize, judge)


def _schema(version: Json) -> Json:
    return (version.get("schema") or {}).get("openAPIV3Schema") or ANYTHING


def _scale(said: Json | None) -> Scale | None:
    if said is None:
        return None
    return Scale(said["specReplicasPath"], said["statusReplicasPath"], said.get("labelSelectorPath") or ".status.")


def _judge(type_: CustomType) -> Callable[[Json, Json | None], list[Cause]]:
    test = compile_values(type_.schema, root=True)
    # Compiled when the first object comes: a server with many definitions starts without waiting for all their rules.
    rules = cache(lambda: compile_rules(type_.schema)) if has_rules(type_.schema) else None

    def examine(new: Json, old: Json | None, budget: Budget) -> list[Cause]:
        found: list[Finding] = []
        test(new, (), found)
        wrong = [each.cause for each in found] if old is None else ratcheted(found, new, old, type_.schema)
        if rules is None:
            return wrong
        return judge(rules(), wrong, new, ABSENT if old is None else old, budget)

    def bounded(new: Json, old: Json | None) -> list[Cause]:
        if BESIDE.get():
            return examine(new, old, Budget())
        if rules is not None and not rules.cache_info().currsize:
            raise Overlong  # they have to be compiled first
        return examine(new, old, Budget(ON_THE_LOOP, ON_THE_LOOP))

    return bounded


def _normalizer(api_version: str, type_: CustomType) -> Callable[[Json], Json]:
    prune, fill = type_.prune, type_.fill

    def normalize(obj: Json) -> Json:
        new = deepcopy(obj)
        new["apiVersion"] = api_version
        prune(new, (), [])
        fill(new)
        return new

    return normalize


def _renamed(api_version: str) -> Callable[[Json], Json]:
    return lambda obj: {**obj, "apiVersion": api_version}


def _nothing(obj: Json) -> None:
    """Defaults are the schema's and have been filled when the object was read."""


def _keep(new: Json, old: Json, key: str) -> None:
    if key in old:
        new[key] = old[key]
    else:
        new.pop(key, None)
