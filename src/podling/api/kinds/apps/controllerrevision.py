"""ControllerRevision.

A snapshot of a template, kept by StatefulSets and DaemonSets to roll back to.
"""

from __future__ import annotations

from typing import Any

from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.apps.oldversions import same_shape
from podling.api.kinds.cells import AGE, NAME, NONE, column, number
from podling.api.kinds.kind import Json, Kind
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View


class ControllerRevision(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    data: Any = None
    revision: int = 0


def no_defaults(obj: Json) -> None:
    """It has none."""


def controller(obj: Json, now: float) -> str:
    """`statefulset.apps/web`."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            group = owner.get("apiVersion", "").rpartition("/")[0]
            kind = f"{owner['kind']}.{group}" if group else owner["kind"]
            return f"{kind.lower()}/{owner['name']}"
    return NONE


def validate(obj: Json) -> list[Cause]:
    found = [] if obj.get("data") is not None else [causes.required("data", "data is mandatory")]
    return found + rules.not_negative("revision", obj.get("revision", 0))


def validate_update(new: Json, old: Json) -> list[Cause]:
    return causes.immutable("data", new.get("data"), old.get("data"))


KIND = Kind(
    "apps",
    "v1",
    "ControllerRevision",
    ControllerRevision,
    validate=validate,
    validate_update=validate_update,
    columns=(
        NAME,
        column("Controller", controller, description="What keeps it."),
        column("Revision", number("revision"), description="Its number in the history."),
        AGE,
    ),
    conversions=(same_shape("v1beta2", no_defaults), same_shape("v1beta1", no_defaults)),
)
