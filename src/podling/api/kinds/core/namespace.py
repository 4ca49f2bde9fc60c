"""Namespace.

A room for names. It carries its own name as a label and a finalizer in its *spec*, which the namespace controller
takes away when everything inside is gone.
"""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
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


def validate(obj: Json) -> list[Cause]:
    found: list[Cause] = []
    for name in (obj.get("spec") or {}).get("finalizers") or ():
        wrong = rules.all_invalid("spec.finalizers", name, names.qualified_name(name))
        if not wrong and "/" not in name and name != "kubernetes":
            text = "name is neither a standard finalizer name nor is it fully qualified"
            wrong = [causes.invalid("spec.finalizers", name, text)]
        found += wrong
    return found


def validate_status(new: Json, old: Json) -> list[Cause]:
    phase, deleted = (new.get("status") or {}).get("phase", ""), bool(new["metadata"].get("deletionTimestamp"))
    wanted = "Terminating" if deleted else "Active"
    if phase == wanted:
        return []
    text = f"may only be '{wanted}' if `deletionTimestamp` is {'not ' if deleted else ''}empty"
    return [causes.invalid("status.Phase", phase, text)]


KIND = Kind(
    "",
    "v1",
    "Namespace",
    Namespace,
    defaults=defaults,
    validate=validate,
    validate_status=validate_status,
    strategy=Strategy(status=True, returns_deleted=True, on_create=on_create, on_update=on_update),
    name_rule=names.dns_label,
    columns=(NAME, column("Status", value("status.phase"), description="Active or Terminating."), AGE),
    fields=fields,
    field_names=frozenset(("status.phase",)),
)
