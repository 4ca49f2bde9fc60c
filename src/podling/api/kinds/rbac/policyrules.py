"""What may be wrong with the rules of roles."""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.kind import Json


def validate(obj: Json) -> list[Cause]:
    """The rules of a Role or ClusterRole; only the latter may speak of URLs outside of resources."""
    found: list[Cause] = []
    for index, rule in enumerate(obj.get("rules") or ()):
        found += _rule(f"rules[{index}]", rule, namespaced=obj.get("kind") == "Role")
    return found


def validate_cluster_role(obj: Json) -> list[Cause]:
    """As above, and a role that gathers others has to say which."""
    found = validate(obj)
    aggregation = obj.get("aggregationRule")
    if aggregation is None:
        return found
    path = "aggregationRule.clusterRoleSelectors"
    selectors = aggregation.get("clusterRoleSelectors") or []
    if not selectors:
        found.append(causes.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil"))
    for index, selector in enumerate(selectors):
        found += rules.label_selector(f"{path}[{index}]", selector)
    return found


def _rule(path: str, rule: Json, *, namespaced: bool) -> list[Cause]:
    urls = rule.get("nonResourceURLs") or []
    found = [] if rule.get("verbs") else [causes.required(f"{path}.verbs", "verbs must contain at least one value")]
    if urls:
        here = f"{path}.nonResourceURLs"
        if namespaced:
            found.append(causes.invalid(here, urls, "namespaced rules cannot apply to non-resource URLs"))
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            found.append(causes.invalid(here, urls, text))
        return found
    for name, one in (("apiGroups", "api group"), ("resources", "resource")):
        if not rule.get(name):
            found.append(causes.required(f"{path}.{name}", f"resource rules must supply at least one {one}"))
    return found
