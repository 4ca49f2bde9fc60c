"""CustomResourceDefinition: a kind that users bring along.

Its schema is found structural when it is written; serving it is the API server's part (`apiserver/customresources`).
Deleting one puts a finalizer on it first: its objects go before it does.
"""

from __future__ import annotations

from typing import Final

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.apiextensions import oldversions
from podling.api.kinds.apiextensions.crdrules import spec_causes, stored_causes
from podling.api.kinds.cells import NAME, at
from podling.api.kinds.kind import Column, Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View
from podling.api.schema.custom import BESIDE, Overlong
from podling.api.schema.custom.structural import has_rules
from podling.env import rfc3339

FINALIZER: Final = "customresourcecleanup.apiextensions.k8s.io"
APPROVED: Final = "api-approved.kubernetes.io"
_SEE: Final = "see https://github.com/kubernetes/enhancements/pull/1111"
MISSING_APPROVAL: Final = f'protected groups must have approval annotation "{APPROVED}", {_SEE}'
INVALID_APPROVAL: Final = (
    f'protected groups must have approval annotation with either a URL or a reason starting with "unapproved", {_SEE}'
)


class CustomResourceDefinition(View, frozen=True):
    """What controllers look at: that it changed; the rest is read as JSON."""

    metadata: ObjectMeta = ObjectMeta()


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    if kind := names.get("kind"):
        if not names.get("singular"):
            names["singular"] = kind.lower()
        if not names.get("listKind"):
            names["listKind"] = f"{kind}List"
    conversion = spec.get("conversion") or {}
    if not conversion.get("strategy"):
        conversion = {**conversion, "strategy": "None"}
    if conversion.get("webhook"):
        service = (conversion["webhook"].get("clientConfig") or {}).get("service")
        if service is not None:
            service.setdefault("port", 443)
    spec["conversion"] = conversion


def on_create(obj: Json) -> None:
    obj["status"] = {"conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": []}
    _remember_stored(obj)


def on_update(new: Json, old: Json) -> None:
    _remember_stored(new)


def _remember_stored(obj: Json) -> None:
    """Objects may have been stored in every version that was ever the storage version."""
    status = obj.setdefault("status", {})
    stored = list(status.get("storedVersions") or ())
    for version in at(obj, "spec.versions") or ():
        if version.get("storage") and version.get("name") not in stored:
            stored.append(version["name"])
    obj["status"] = {**status, "storedVersions": stored}


def on_delete(obj: Json, now: float) -> None:
    """The first DELETE: its objects go first."""
    metadata = obj["metadata"]
    if metadata.get("deletionTimestamp"):
        return
    if FINALIZER not in (metadata.get("finalizers") or ()):
        metadata["finalizers"] = [*(metadata.get("finalizers") or ()), FINALIZER]
    text = "CustomResourceDefinition marked for deletion; CustomResource deletion will be initiated soon"
    condition = {
        "type": "Terminating",
        "status": "True",
        "lastTransitionTime": rfc3339(now),
        "reason": "InstanceDeletionPending",
        "message": text,
    }
    status = obj.get("status") or {}
    others = [each for each in status.get("conditions") or () if each.get("type") != "Terminating"]
    obj["status"] = {**status, "conditions": [*others, condition]}


def validate(obj: Json) -> list[Cause]:
    """Raises Overlong: rules take a while to compile."""
    if not BESIDE.get() and has_rules(at(obj, "spec.versions")):
        raise Overlong
    spec, name = obj.get("spec") or {}, obj["metadata"].get("name", "")
    wanted = f"{at(spec, 'names.plural') or ''}.{spec.get('group', '')}"
    found: list[Cause] = []
    if name != wanted:
        found.append(causes.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    found += _approval(obj)
    found += spec_causes(spec)
    return found + stored_causes(obj)


def protected(group: str) -> bool:
    """Whether it is a group of the Kubernetes community."""
    return group.endswith((".k8s.io", ".kubernetes.io")) or group in ("k8s.io", "kubernetes.io")


def _approval(obj: Json) -> list[Cause]:
    """Groups of the Kubernetes community need its word."""
    if not protected(at(obj, "spec.group") or ""):
        return []
    path = f"metadata.annotations[{APPROVED}]"
    said = (obj["metadata"].get("annotations") or {}).get(APPROVED)
    if not said:
        return [causes.required(path, MISSING_APPROVAL)]
    if not said.startswith(("unapproved", "https://", "http://")):
        return [causes.invalid(path, said, INVALID_APPROVAL)]
    return []


def validate_update(new: Json, old: Json) -> list[Cause]:
    found: list[Cause] = []
    established = any(
        each.get("type") == "Established" and each.get("status") == "True"
        for each in at(old, "status.conditions") or ()
    )
    if established:
        found += causes.immutable("spec.scope", at(new, "spec.scope"), at(old, "spec.scope"))
        found += causes.immutable("spec.names.kind", at(new, "spec.names.kind"), at(old, "spec.names.kind"))
    found += causes.immutable("spec.group", at(new, "spec.group"), at(old, "spec.group"))
    return found + causes.immutable("spec.names.plural", at(new, "spec.names.plural"), at(old, "spec.names.plural"))


def validate_status(new: Json, old: Json) -> list[Cause]:
    return stored_causes(new)


KIND = Kind(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    view=CustomResourceDefinition,
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    strategy=Strategy(
        status=True,
        generation=True,
        unconditional_update=False,
        on_create=on_create,
        on_update=on_update,
        on_delete=on_delete,
    ),
    columns=(
        NAME,
        Column(
            "Created At",
            lambda obj, _: str(obj["metadata"].get("creationTimestamp", "")),
            "date",
            description="When the object was created.",
        ),
    ),
    conversions=(oldversions.definitions(),),
)
