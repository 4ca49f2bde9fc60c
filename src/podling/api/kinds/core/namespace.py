"""Namespace.

A room for names. It carries its own name as a label and a finalizer in its *spec*, which the namespace controller
takes away when everything inside is gone.
"""

from __future__ import annotations

from podling.api import names
from podling.api.kinds.cells import AGE, NAME, column, value
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View


class NamespaceSpec(View, frozen=True):
    finalizers: tuple[str, ...] = ()


class NamespaceCondition(View, frozen=True):
    type: str = ""
    status: str = ""
    last_transition_time: str = ""
    reason: str = ""
    message: str = ""


class NamespaceStatus(View, frozen=True):
    phase: str = ""
    conditions: tuple[NamespaceCondition, ...] = ()


class Namespace(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: NamespaceSpec = NamespaceSpec()
    status: NamespaceStatus = NamespaceStatus()


NAME_LABEL = "kubernetes.io/metadata.name"


def defaults(obj: Json) -> None:
    metadata = obj.setdefault("metadata", {})
    if name := metadata.get("name"):
        metadata.setdefault("labels", {})[NAME_LABEL] = name


def on_create(obj: Json) -> None:
    """Active, and kept by its own finalizer until it is empty."""
    obj["status"] = {"phase": "Active"}
    finalizers = obj.setdefault("spec", {}).setdefault("finalizers", [])
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")
    defaults(obj)


def on_update(new: Json, old: Json) -> None:
    """spec.finalizers change through the subresource `finalize` only."""
    new["spec"] = {**new.get("spec", {}), "finalizers": (old.get("spec") or {}).get("finalizers", [])}


def fields(obj: Json) -> dict[str, str]:
    return {"status.phase": (obj.get("status") or {}).get("phase", "")}


KIND = Kind(
    "",
    "v1",
    "Namespace",
    Namespace,
    defaults=defaults,
    strategy=Strategy(status=True, returns_deleted=True, on_create=on_create, on_update=on_update),
    name_rule=names.dns_label,
    columns=(NAME, column("Status", value("status.phase"), description="Active or Terminating."), AGE),
    fields=fields,
    field_names=frozenset(("status.phase",)),
)
