"""What is checked of webhooks and policies alike: rules, selectors, match conditions.

The findings are upstream's (`pkg/apis/admissionregistration/validation`), and so is their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from podling.api import cel, names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.admissionregistration.expressions import checked, environment
from podling.api.kinds.kind import Json
from podling.api.schema.custom import BESIDE, Overlong

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
POLICIES = ("Equivalent", "Exact")
FAILURES = ("Fail", "Ignore")
MOST_CONDITIONS = 64

Compile = Callable[[str], str]
"""An expression to what is wrong with it, "" for nothing."""


def beside() -> None:
    """Raises Overlong on the loop: to compile expressions takes longer than that can wait."""
    if not BESIDE.get():
        raise Overlong


def condition_error(expression: str) -> str:
    try:
        checked(expression, environment(), ("bool",))
    except cel.CelSyntaxError as error:
        return error.message
    return ""


def rule(path: str, said: Json) -> list[Cause]:
    found: list[Cause] = []
    operations = said.get("operations") or []
    if not operations:
        found.append(causes.required(f"{path}.operations"))
    if len(operations) > 1 and "*" in operations:
        text = "if '*' is present, must not specify other operations"
        found.append(causes.invalid(f"{path}.operations", operations, text))
    for index, operation in enumerate(operations):
        if operation not in OPERATIONS:
            found.append(causes.unsupported(f"{path}.operations[{index}]", operation, OPERATIONS))
    groups, versions = said.get("apiGroups") or [], said.get("apiVersions") or []
    found += _wild(f"{path}.apiGroups", groups, "API groups")
    found += _wild(f"{path}.apiVersions", versions, "API versions")
    found += [causes.required(f"{path}.apiVersions[{at}]") for at, version in enumerate(versions) if not version]
    found += resources(f"{path}.resources", said.get("resources") or [])
    if said.get("scope"):
        found += rules.one_of(f"{path}.scope", said["scope"], SCOPES)
    return found


def _wild(path: str, values: Sequence[str], what: str) -> list[Cause]:
    if not values:
        return [causes.required(path)]
    if len(values) > 1 and "*" in values:
        return [causes.invalid(path, values, f"if '*' is present, must not specify other {what}")]
    return []


def resources(path: str, said: Sequence[str]) -> list[Cause]:
    if not said:
        return [causes.required(path)]
    found: list[Cause] = []
    wild_subresources: dict[str, None] = {}
    wild_resources: dict[str, None] = {}
    for index, each in enumerate(said):
        at = f"{path}[{index}]"
        if not each:
            found.append(causes.required(at))
            continue
        resource, slash, sub = each.partition("/")
        if not slash:
            continue
        if resource in wild_subresources:
            found.append(causes.invalid(at, each, f"if '{resource}/*' is present, must not specify {each}"))
        if sub in wild_resources:
            found.append(causes.invalid(at, each, f"if '*/{sub}' is present, must not specify {each}"))
        if sub == "*":
            wild_subresources[resource] = None
        if resource == "*":
            wild_resources[sub] = None
    if len(said) > 1 and "*/*" in said:
        found.append(causes.invalid(path, said, "if '*/*' is present, must not specify other resources"))
    if "*" in said and any("/" not in each and each != "*" for each in said):
        text = "if '*' is present, must not specify other resources without subresources"
        found.append(causes.invalid(path, said, text))
    return found


def match_conditions(path: str, said: Sequence[Json], wrong: Compile = condition_error) -> list[Cause]:
    found: list[Cause] = []
    if len(said) > MOST_CONDITIONS:
        found.append(causes.too_many(path, len(said), MOST_CONDITIONS))
    seen: dict[str, None] = {}
    for index, each in enumerate(said):
        at, name = f"{path}[{index}]", each.get("name") or ""
        found += expression(f"{at}.expression", each.get("expression"), wrong)
        found += rules.named(f"{at}.name", name, names.qualified_name)
        if name and name in seen:
            found.append(causes.duplicate(f"{at}.name", name))
        seen[name] = None
    return found


def expression(path: str, text: Any, wrong: Compile) -> list[Cause]:
    """One that must be there and compile."""
    stripped = (text or "").strip()
    if not stripped:
        return [causes.required(path)]
    error = wrong(stripped)
    return [causes.invalid(path, stripped, error)] if error else []


def selectors(path: str, said: Json) -> list[Cause]:
    found = rules.label_selector(f"{path}.namespaceSelector", said.get("namespaceSelector"))
    return found + rules.label_selector(f"{path}.objectSelector", said.get("objectSelector"))
