"""StorageClass.

How volumes are made when a claim asks for them.
"""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, column, flag, value
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.core.warnings import OLD_LABELS
from podling.api.kinds.kind import Column, Json, Kind
from podling.api.kinds.storage import storagerules
from podling.api.kinds.versions import same_shape

DEFAULT_ANNOTATIONS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def defaults(obj: Json) -> None:
    fill(obj, "reclaimPolicy", "Delete")
    fill(obj, "volumeBindingMode", "Immediate")


def validate(obj: Json) -> list[Cause]:
    provisioner = obj.get("provisioner", "")
    found = rules.named("provisioner", provisioner, lambda text: names.qualified_name(text.lower()))
    found += storagerules.parameters("parameters", obj.get("parameters") or {}, allow_empty=True)
    found += rules.one_of("reclaimPolicy", obj.get("reclaimPolicy"), ("Delete", "Retain"))
    found += rules.one_of("volumeBindingMode", obj.get("volumeBindingMode"), ("Immediate", "WaitForFirstConsumer"))
    return found + storagerules.topologies("allowedTopologies", obj.get("allowedTopologies") or [])


def told(obj: Json, old: Json | None) -> list[str]:
    """Old names of node labels in the topologies."""
    return [
        f"allowedTopologies[{index}].matchLabelExpressions[{number}].key: {each['key']} is {OLD_LABELS[each['key']]}"
        for index, term in enumerate(obj.get("allowedTopologies") or ())
        for number, each in enumerate(term.get("matchLabelExpressions") or ())
        if each.get("key") in OLD_LABELS
    ]


def validate_update(new: Json, old: Json) -> list[Cause]:
    found: list[Cause] = []
    if (new.get("parameters") or {}) != (old.get("parameters") or {}):
        found.append(causes.forbidden("parameters", "updates to parameters are forbidden."))
    if new.get("provisioner") != old.get("provisioner"):
        found.append(causes.forbidden("provisioner", "updates to provisioner are forbidden."))
    if new.get("reclaimPolicy") != old.get("reclaimPolicy"):
        found.append(causes.forbidden("reclaimPolicy", "updates to reclaimPolicy are forbidden."))
    return found + causes.immutable("volumeBindingMode", new.get("volumeBindingMode"), old.get("volumeBindingMode"))


def name(obj: Json, now: float) -> str:
    annotations = obj["metadata"].get("annotations") or {}
    default = any(annotations.get(key) == "true" for key in DEFAULT_ANNOTATIONS)
    return f"{obj['metadata'].get('name', '')}{' (default)' if default else ''}"


KIND = Kind(
    "storage.k8s.io",
    "v1",
    "StorageClass",
    defaults=defaults,
    warnings=told,
    validate=validate,
    validate_update=validate_update,
    columns=(
        Column("Name", name, "string", "name", 0, "Name of the class; the default one says so."),
        column("Provisioner", value("provisioner"), description="Who makes volumes."),
        column("ReclaimPolicy", value("reclaimPolicy", "Delete"), description="What follows the claim's deletion."),
        column("VolumeBindingMode", value("volumeBindingMode", "Immediate"), description="When it is bound."),
        column("AllowVolumeExpansion", flag("allowVolumeExpansion"), description="Whether volumes may grow."),
        AGE,
    ),
    conversions=(same_shape("storage.k8s.io", "v1beta1", defaults, "storage.k8s.io/v1"),),
)
