"""What may be wrong with flow schemas and priority levels."""

from __future__ import annotations

from typing import Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.kind import Json

HIGHEST_PRECEDENCE: Final = 10000
_SUBJECTS: Final = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}


def flow_schema(obj: Json) -> list[Cause]:
    spec, path = obj.get("spec") or {}, "spec"
    precedence, found = spec.get("matchingPrecedence", 0), list[Cause]()
    if precedence <= 0:
        found.append(causes.invalid(f"{path}.matchingPrecedence", precedence, "must be a positive value"))
    if precedence > HIGHEST_PRECEDENCE:
        text = f"must not be greater than {HIGHEST_PRECEDENCE}"
        found.append(causes.invalid(f"{path}.matchingPrecedence", precedence, text))
    if precedence == 1 and obj["metadata"].get("name") != "exempt":
        text = "only the schema named 'exempt' may have matchingPrecedence 1"
        found.append(causes.invalid(f"{path}.matchingPrecedence", precedence, text))
    if (method := spec.get("distinguisherMethod")) is not None:
        found += rules.one_of(f"{path}.distinguisherMethod", method.get("type", ""), ("ByNamespace", "ByUser"))
    level = (spec.get("priorityLevelConfiguration") or {}).get("name", "")
    if level:
        found += rules.all_invalid(f"{path}.priorityLevelConfiguration.name", level, names.dns_subdomain(level))
    else:
        found.append(causes.required(f"{path}.priorityLevelConfiguration.name", "must reference a priority level"))
    for index, each in enumerate(spec.get("rules") or ()):
        found += _rule(f"{path}.rules[{index}]", each)
    return found


def _rule(path: str, rule: Json) -> list[Cause]:
    found: list[Cause] = []
    if not rule.get("subjects"):
        found.append(causes.required(f"{path}.subjects", "subjects must contain at least one value"))
    for index, subject in enumerate(rule.get("subjects") or ()):
        found += _subject(f"{path}.subjects[{index}]", subject)
    resources, others = rule.get("resourceRules") or [], rule.get("nonResourceRules") or []
    if not resources and not others:
        text = "at least one of resourceRules and nonResourceRules has to be non-empty"
        found.append(causes.required(path, text))
    for index, each in enumerate(resources):
        here = f"{path}.resourceRules[{index}]"
        for name, one in (("verbs", "verbs"), ("apiGroups", "resource rules"), ("resources", "resource rules")):
            if not each.get(name):
                what = "verbs must contain" if one == "verbs" else "resource rules must supply"
                unit = {"verbs": "value", "apiGroups": "api group", "resources": "resource"}[name]
                found.append(causes.required(f"{here}.{name}", f"{what} at least one {unit}"))
        if not each.get("namespaces") and not each.get("clusterScope"):
            text = "resource rules that are not cluster scoped must supply at least one namespace"
            found.append(causes.required(f"{here}.namespaces", text))
    for index, each in enumerate(others):
        here = f"{path}.nonResourceRules[{index}]"
        if not each.get("verbs"):
            found.append(causes.required(f"{here}.verbs", "verbs must contain at least one value"))
        if not each.get("nonResourceURLs"):
            text = "nonResourceURLs must contain at least one value"
            found.append(causes.required(f"{here}.nonResourceURLs", text))
    return found


def _subject(path: str, subject: Json) -> list[Cause]:
    kind = subject.get("kind", "")
    if kind not in _SUBJECTS:
        return [causes.unsupported(f"{path}.kind", kind, tuple(_SUBJECTS))]
    field = _SUBJECTS[kind]
    if subject.get(field) is None:
        return [causes.required(f"{path}.{field}", f"{field} is required when subject kind is '{kind}'")]
    found = [
        causes.forbidden(f"{path}.{other}", f"{other} is forbidden when subject kind is not '{name}'")
        for name, other in _SUBJECTS.items()
        if other != field and subject.get(other) is not None
    ]
    if not subject[field].get("name"):
        found.append(causes.required(f"{path}.{field}.name"))
    if kind == "ServiceAccount" and not subject[field].get("namespace"):
        found.append(causes.required(f"{path}.{field}.namespace", "must specify namespace for service account"))
    return found


def level(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    kind, limited, exempt = spec.get("type", ""), spec.get("limited"), spec.get("exempt")
    if kind == "Exempt":
        return [] if limited is None else [causes.forbidden("spec.limited", "must be nil if the type is not Limited")]
    if kind != "Limited":
        return [causes.unsupported("spec.type", kind, ("Exempt", "Limited"))]
    found = [] if exempt is None else [causes.forbidden("spec.exempt", "must be nil if the type is Limited")]
    if limited is None:
        return [*found, causes.required("spec.limited", "must not be empty when type is Limited")]
    return found + _limited("spec.limited", limited)


def _limited(path: str, limited: Json) -> list[Cause]:
    shares, lendable = limited.get("nominalConcurrencyShares", 0), limited.get("lendablePercent", 0)
    borrowing, found = limited.get("borrowingLimitPercent"), list[Cause]()
    if shares < 0:
        found.append(causes.invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer"))
    if not 0 <= lendable <= 100:
        found.append(causes.invalid(f"{path}.lendablePercent", lendable, "must be between 0 and 100, inclusive"))
    if borrowing is not None and borrowing < 0:
        text = "if specified, must be a non-negative integer"
        found.append(causes.invalid(f"{path}.borrowingLimitPercent", borrowing, text))
    response = limited.get("limitResponse") or {}
    path, kind, queuing = f"{path}.limitResponse", response.get("type", ""), response.get("queuing")
    if kind == "Reject" and queuing is not None:
        text = "must be nil if limited.limitResponse.type is not Limited"
        found.append(causes.forbidden(f"{path}.queuing", text))
    elif kind == "Queue" and queuing is None:
        text = "must not be empty if limited.limitResponse.type is Limited"
        found.append(causes.required(f"{path}.queuing", text))
    elif kind == "Queue" and queuing is not None:
        found += _queuing(f"{path}.queuing", queuing)
    elif kind != "Reject":
        found.append(causes.unsupported(f"{path}.type", kind, ("Queue", "Reject")))
    return found


def _queuing(path: str, queuing: Json) -> list[Cause]:
    found = [
        causes.invalid(f"{path}.{name}", queuing.get(name, 0), "must be positive")
        for name in ("queueLengthLimit", "queues", "handSize")
        if queuing.get(name, 0) <= 0
    ]
    hand, queues = queuing.get("handSize", 0), queuing.get("queues", 0)
    if hand > queues > 0:
        found.append(causes.invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})"))
    return found
