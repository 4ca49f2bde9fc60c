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
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View, field


class ScopedResourceSelectorRequirement(View, frozen=True):
    scope_name: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class ScopeSelector(View, frozen=True):
    match_expressions: tuple[ScopedResourceSelectorRequirement, ...] = ()


class ResourceQuotaSpec(View, frozen=True):
    hard: dict[str, str] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    scope_selector: ScopeSelector | None = None


class ResourceQuotaStatus(View, frozen=True):
    hard: dict[str, str] = field(default_factory=dict)
    used: dict[str, str] = field(default_factory=dict)


class ResourceQuota(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: ResourceQuotaSpec = ResourceQuotaSpec()
    status: ResourceQuotaStatus = ResourceQuotaStatus()


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
_COMPUTE = (*_MEASURED, *(f"{side}.{name}" for side in ("requests", "limits") for name in _MEASURED))
_BARE = ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "CrossNamespacePodAffinity")
_CONFLICTING = (frozenset(("BestEffort", "NotBestEffort")), frozenset(("Terminating", "NotTerminating")))


def validate(obj: Json) -> list[Cause]:
    found: list[Cause] = []
    for name, amount in (at(obj, "spec.hard") or {}).items():
        path = f"spec.hard[{name}]"
        found += _resource(path, name)
        found += resourcerules.amount(path, amount, whole=name in _COUNTED or name.startswith("count/"))
    for index, scope in enumerate(at(obj, "spec.scopes") or ()):
        found += rules.one_of(f"spec.scopes[{index}]", scope, SCOPES)
    found += _scopes("spec.scopes", at(obj, "spec.scopes") or [], obj)
    demands = at(obj, "spec.scopeSelector.matchExpressions") or []
    for index, demand in enumerate(demands):
        found += _demand(f"spec.scopeSelector.matchExpressions[{index}]", demand)
    return found + _scopes("spec.scopeSelector.matchExpressions", [each.get("scopeName", "") for each in demands], obj)


def validate_update(new: Json, old: Json) -> list[Cause]:
    return causes.immutable("spec.scopes", sorted(at(new, "spec.scopes") or ()), sorted(at(old, "spec.scopes") or ()))


def _scopes(path: str, scopes: list[str], obj: Json) -> list[Cause]:
    """Scopes that exclude each other, and resources a scope says nothing about."""
    found: list[Cause] = []
    known = [scope for scope in scopes if scope in SCOPES]
    for scope in known:
        if not all(_within(scope, name) for name in at(obj, "spec.hard") or {}):
            found.append(causes.invalid(path, scopes, "unsupported scope applied to resource"))
    for pair in _CONFLICTING:
        if pair <= set(known):
            found.append(causes.invalid(path, scopes, "conflicting scopes"))
    return found


def _within(scope: str, name: str) -> bool:
    if name not in (*_COUNTED, "requests.storage") and not name.endswith(_MEASURED):
        return True
    if scope == "VolumeAttributesClass":
        return name in ("persistentvolumeclaims", "requests.storage")
    if scope == "BestEffort":
        return name == "pods"
    return name == "pods" or name in _COMPUTE


def _demand(path: str, demand: Json) -> list[Cause]:
    scope, operator, values = demand.get("scopeName", ""), demand.get("operator", ""), demand.get("values") or []
    found = rules.one_of(f"{path}.scopeName", scope, SCOPES)
    if scope in _BARE and operator != "Exists":
        listed = ", ".join(f"ResourceQuotaScope{each}" for each in _BARE[:-1])
        text = f"must be 'Exist' when scope is any of {listed} or ResourceQuotaScope{_BARE[-1]}"
        found.append(causes.invalid(f"{path}.operator", operator, text))
    if operator in ("In", "NotIn") and not values:
        text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
        found.append(causes.required(f"{path}.values", text))
    elif operator in ("Exists", "DoesNotExist") and values:
        text = "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector"
        found.append(causes.invalid(f"{path}.values", values, text))
    elif operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
        found.append(causes.invalid(f"{path}.operator", operator, "not a valid selector operator"))
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
    ResourceQuota,
    validate=validate,
    validate_update=validate_update,
    strategy=Strategy(status=True, returns_deleted=True),
    columns=(
        NAME,
        column("Request", lambda obj, _: _usage(obj, limits=False), description="Used of what may be requested."),
        column("Limit", lambda obj, _: _usage(obj, limits=True), description="Used of what limits may add up to."),
        AGE,
    ),
    needs_controller=True,
)
