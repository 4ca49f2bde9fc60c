"""ResourceQuota.

How much a namespace may use, and uses.
"""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, at, column
from podling.api.kinds.core import resourcerules
from podling.api.kinds.kind import Json, Kind, Strategy


def _usage(obj: Json, limits: bool) -> str:
    """`pods: 2/10, requests.cpu: 1/4`."""
    hard, used = at(obj, "status.hard") or {}, at(obj, "status.used") or {}
    names = sorted(name for name in hard if name.startswith("limits.") == limits)
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)


_COUNTED = (
    "pods",
    "services",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
)
_MEASURED = ("cpu", "memory", "ephemeral-storage")
SCOPES = (
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
)


def validate(obj: Json) -> list[Cause]:
    found: list[Cause] = []
    for name, amount in (at(obj, "spec.hard") or {}).items():
        path = f"spec.hard[{name}]"
        found += _resource(path, name)
        found += resourcerules.amount(path, amount, whole=name in _COUNTED or name.startswith("count/"))
    for index, scope in enumerate(at(obj, "spec.scopes") or ()):
        found += rules.one_of(f"spec.scopes[{index}]", scope, SCOPES)
    return found


def _resource(path: str, name: str) -> list[Cause]:
    if wrong := names.qualified_name(name):
        return rules.all_invalid(path, name, wrong)
    base = name.removeprefix("requests.").removeprefix("limits.")
    standard = (*_COUNTED, *_MEASURED, "storage")
    if "/" in name or base in standard or base.startswith("hugepages-"):
        return []
    return [causes.invalid(path, name, "must be a standard resource for quotas")]


KIND = Kind(
    "",
    "v1",
    "ResourceQuota",
    validate=validate,
    strategy=Strategy(status=True, returns_deleted=True),
    columns=(
        NAME,
        column("Request", lambda obj, _: _usage(obj, limits=False), description="Used of what may be requested."),
        column("Limit", lambda obj, _: _usage(obj, limits=True), description="Used of what limits may add up to."),
        AGE,
    ),
    needs_controller=True,
)
