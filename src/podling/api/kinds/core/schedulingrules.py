"""What may be wrong with the scheduling part of a Pod: tolerations, affinity, spreading."""

from __future__ import annotations

from typing import Any, Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules

Json = dict[str, Any]

EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def tolerations(path: str, given: list[Json]) -> list[Cause]:
    found: list[Cause] = []
    for index, toleration in enumerate(given):
        found += _toleration(f"{path}[{index}]", toleration)
    return found


def _toleration(path: str, toleration: Json) -> list[Cause]:
    key, operator = toleration.get("key", ""), toleration.get("operator", "")
    value, effect = toleration.get("value", ""), toleration.get("effect", "")
    found = rules.all_invalid(f"{path}.key", key, names.qualified_name(key)) if key else []
    if not key and operator != "Exists":
        text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        found.append(causes.invalid(f"{path}.operator", operator, text))
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        found.append(causes.invalid(f"{path}.effect", effect, text))
    if operator in ("", "Equal"):
        found += rules.all_invalid(f"{path}.operator", value, names.label_value(value)[:1])
    elif operator == "Exists":
        if value:
            text = "value must be empty when `operator` is 'Exists'"
            found.append(causes.invalid(f"{path}.operator", toleration, text))
    else:
        found.append(causes.unsupported(f"{path}.operator", operator, ("Equal", "Exists")))
    return found + (rules.one_of(f"{path}.effect", effect, EFFECTS) if effect else [])


def affinity(path: str, value: Json | None) -> list[Cause]:
    found: list[Cause] = []
    if node := (value or {}).get("nodeAffinity"):
        found += _node_affinity(f"{path}.nodeAffinity", node)
    for name in ("podAffinity", "podAntiAffinity"):
        if pods := (value or {}).get(name):
            found += _pod_affinity(f"{path}.{name}", pods)
    return found


def _node_affinity(path: str, value: Json) -> list[Cause]:
    found: list[Cause] = []
    required = value.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is not None:
        found += node_selector(f"{path}.requiredDuringSchedulingIgnoredDuringExecution", required)
    for index, term in enumerate(value.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
        here = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}]"
        found += _weight(here, term)
        found += _node_term(f"{here}.preference", term.get("preference") or {})
    return found


def node_selector(path: str, selector: Json) -> list[Cause]:
    terms = selector.get("nodeSelectorTerms") or []
    if not terms:
        return [causes.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")]
    return [cause for i, term in enumerate(terms) for cause in _node_term(f"{path}.nodeSelectorTerms[{i}]", term)]


def _node_term(path: str, term: Json) -> list[Cause]:
    found: list[Cause] = []
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{index}]"
        found += _node_expression(here, expression)
        key = expression.get("key", "")
        found += rules.all_invalid(f"{here}.key", key, names.qualified_name(key))
    for index, expression in enumerate(term.get("matchFields") or ()):
        here, key = f"{path}.matchFields[{index}]", expression.get("key", "")
        if expression.get("operator") not in ("In", "NotIn"):
            text = "not a valid selector operator"
            found.append(causes.invalid(f"{here}.operator", expression.get("operator", ""), text))
        elif len(expression.get("values") or ()) != 1:
            text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            found.append(causes.required(f"{here}.values", text))
        if key != "metadata.name":
            found.append(causes.invalid(f"{here}.key", key, "not a valid field selector key"))
    return found


def _node_expression(path: str, expression: Json) -> list[Cause]:
    operator, values = expression.get("operator", ""), expression.get("values") or []
    match operator:
        case "In" | "NotIn":
            text = "must be specified when `operator` is 'In' or 'NotIn'"
            return [] if values else [causes.required(f"{path}.values", text)]
        case "Exists" | "DoesNotExist":
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            return [causes.forbidden(f"{path}.values", text)] if values else []
        case "Gt" | "Lt":
            text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            return [] if len(values) == 1 else [causes.required(f"{path}.values", text)]
    return [causes.invalid(f"{path}.operator", operator, "not a valid selector operator")]


def _weight(path: str, term: Json) -> list[Cause]:
    weight = term.get("weight", 0)
    return [] if 1 <= weight <= 100 else [causes.invalid(f"{path}.weight", weight, "must be in the range 1-100")]


def _pod_affinity(path: str, value: Json) -> list[Cause]:
    found: list[Cause] = []
    for index, term in enumerate(value.get("requiredDuringSchedulingIgnoredDuringExecution") or ()):
        found += _pod_term(f"{path}.requiredDuringSchedulingIgnoredDuringExecution[{index}]", term)
    for index, weighted in enumerate(value.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
        here = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}]"
        found += _weight(here, weighted)
        found += _pod_term(f"{here}.podAffinityTerm", weighted.get("podAffinityTerm") or {})
    return found


def _pod_term(path: str, term: Json) -> list[Cause]:
    found = rules.label_selector(f"{path}.labelSelector", term.get("labelSelector"))
    found += rules.label_selector(f"{path}.namespaceSelector", term.get("namespaceSelector"))
    for name in term.get("namespaces") or ():
        found += rules.all_invalid(f"{path}.namespace", name, names.dns_label(name))
    key = term.get("topologyKey", "")
    if not key:
        return [*found, causes.required(f"{path}.topologyKey", "can not be empty")]
    return found + rules.all_invalid(f"{path}.topologyKey", key, names.qualified_name(key))


def spreading(path: str, given: list[Json]) -> list[Cause]:
    found: list[Cause] = []
    seen: list[tuple[str, str]] = []
    for index, constraint in enumerate(given):
        here = f"{path}[{index}]"
        skew, key = constraint.get("maxSkew", 0), constraint.get("topologyKey", "")
        if skew <= 0:
            found.append(causes.invalid(f"{here}.maxSkew", skew, "must be greater than zero"))
        found += [] if key else [causes.required(f"{here}.topologyKey", "can not be empty")]
        action = constraint.get("whenUnsatisfiable")
        found += rules.required_one_of(f"{here}.whenUnsatisfiable", action, ("DoNotSchedule", "ScheduleAnyway"))
        if (key, action or "") in seen:
            found.append(causes.duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}"))
        seen.append((key, action or ""))
        found += rules.label_selector(f"{here}.labelSelector", constraint.get("labelSelector"))
    return found
