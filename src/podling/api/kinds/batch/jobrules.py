"""What a Job may ask for beyond plain numbers: indexes, policies about failed Pods and about early success.

The rules are those of the documentation's "Jobs", the words those of upstream's validation.
"""

from __future__ import annotations

from itertools import pairwise

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.kind import Json

MOST_PARALLEL = MOST_FAILED = 100_000
MANY_COMPLETIONS, MOST_BESIDE_MANY = 100_000, 10_000
MOST_RULES, MOST_CODES, MOST_INDEXES = 20, 255, 64 * 1024
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_FEW = "must be less than or equal to"


def indexed(path: str, spec: Json) -> list[Cause]:
    """What needs indexes, and how many of them there may be."""
    if spec.get("completionMode") != "Indexed":
        text, wanting = "requires indexed completion mode", ("backoffLimitPerIndex", "maxFailedIndexes")
        found = [causes.invalid(f"{path}.{name}", spec[name], text) for name in wanting if name in spec]
        policy = spec.get("successPolicy")
        return found if policy is None else [*found, causes.invalid(f"{path}.successPolicy", policy, text)]
    completions, most = spec.get("completions"), spec.get("maxFailedIndexes")
    if completions is None:
        return [causes.required(f"{path}.completions", "when completion mode is Indexed")]
    found = _at_most(f"{path}.parallelism", spec.get("parallelism"), MOST_PARALLEL)
    if most is not None:
        if most > completions:
            found.append(causes.invalid(f"{path}.maxFailedIndexes", most, f"{_FEW} completions"))
        found += _at_most(f"{path}.maxFailedIndexes", most, MOST_FAILED)
        if "backoffLimitPerIndex" not in spec:
            found.append(causes.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    if "backoffLimitPerIndex" in spec and completions > MANY_COMPLETIONS:
        found += _very_many(path, spec)
    return found + success_policy(f"{path}.successPolicy", spec)


def _very_many(path: str, spec: Json) -> list[Cause]:
    text = f" when completions are above {MANY_COMPLETIONS} and used with backoff limit per index"
    if spec.get("maxFailedIndexes") is None:
        text = f"must be specified when completions are above {MANY_COMPLETIONS}"
        return [causes.required(f"{path}.maxFailedIndexes", text)]
    counted = ("parallelism", "maxFailedIndexes")
    return [cause for name in counted for cause in _at_most(f"{path}.{name}", spec.get(name), MOST_BESIDE_MANY, text)]


def _at_most(path: str, value: int | None, limit: int, when: str = "") -> list[Cause]:
    return [causes.invalid(path, value, f"{_FEW} {limit}{when}")] if value is not None and value > limit else []


def success_policy(path: str, spec: Json) -> list[Cause]:
    policy = spec.get("successPolicy")
    if policy is None:
        return []
    given, found = policy.get("rules") or [], list[Cause]()
    if not given:
        text = "at least one rules must be specified when the successPolicy is specified"
        found.append(causes.required(f"{path}.rules", text))
    if len(given) > MOST_RULES:
        found.append(causes.too_many(f"{path}.rules", len(given), MOST_RULES))
    for index, rule in enumerate(given):
        found += _success_rule(f"{path}.rules[{index}]", rule, spec["completions"])
    return found


def _success_rule(path: str, rule: Json, completions: int) -> list[Cause]:
    count, listed = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and listed is None:
        text = "at least one of succeededCount or succeededIndexes must be specified"
        return [causes.required(path, text)]
    found: list[Cause] = []
    total: int | None = None
    if listed is not None:
        if len(listed) > MOST_INDEXES:
            found.append(causes.too_long(f"{path}.succeededIndexes", MOST_INDEXES))
        total = _count(listed, completions)
        if total is None:
            text = "error parsing succeededIndexes: indexes must be ascending and below the number of completions"
            found.append(causes.invalid(f"{path}.succeededIndexes", listed, text))
    if count is not None:
        found += rules.not_negative(f"{path}.succeededCount", count)
        if count > completions:
            text = f"{_FEW} {completions} (the number of specified completions)"
            found.append(causes.invalid(f"{path}.succeededCount", count, text))
        if total is not None and count > total:
            text = f"{_FEW} {total} (the number of indexes in the specified succeededIndexes field)"
            found.append(causes.invalid(f"{path}.succeededCount", count, text))
    return found


def _count(listed: str, completions: int) -> int | None:
    """How many indexes `0,2-4` names; None where it is no ascending list below the limit."""
    total, last = 0, -1
    for piece in listed.split(",") if listed else ():
        first, dash, end = piece.partition("-")
        if not first.isdigit() or (dash and not end.isdigit()):
            return None
        low, high = int(first), int(end or first)
        if low <= last or high < low or high >= completions:
            return None
        total, last = total + high - low + 1, high
    return total


def failure_policy(path: str, spec: Json) -> list[Cause]:
    policy = spec.get("podFailurePolicy")
    if policy is None:
        return []
    given, pod = policy.get("rules") or [], (spec.get("template") or {}).get("spec") or {}
    found = [causes.too_many(f"{path}.rules", len(given), MOST_RULES)] if len(given) > MOST_RULES else []
    containers = [*(pod.get("containers") or ()), *(pod.get("initContainers") or ())]
    known = frozenset(each.get("name", "") for each in containers)
    for index, rule in enumerate(given):
        found += _failure_rule(f"{path}.rules[{index}]", rule, spec, known)
    return found


def _failure_rule(path: str, rule: Json, spec: Json, containers: frozenset[str]) -> list[Cause]:
    action, codes, conditions = rule.get("action"), rule.get("onExitCodes"), rule.get("onPodConditions") or []
    found = rules.required_one_of(f"{path}.action", action, ACTIONS)
    if action == "FailIndex" and "backoffLimitPerIndex" not in spec:
        found.append(causes.invalid(f"{path}.action", action, "requires the backoffLimitPerIndex to be set"))
    if codes is not None and conditions:
        found.append(_whole(path, "specifying both OnExitCodes and OnPodConditions is not supported"))
    elif codes is None and not conditions:
        found.append(_whole(path, "specifying one of OnExitCodes and OnPodConditions is required"))
    if codes is not None:
        found += _codes(f"{path}.onExitCodes", codes, containers)
    here = f"{path}.onPodConditions"
    if len(conditions) > MOST_RULES:
        found.append(causes.too_many(here, len(conditions), MOST_RULES))
    for index, condition in enumerate(conditions):
        type, at = condition.get("type", ""), f"{here}[{index}]"
        found += rules.all_invalid(f"{at}.type", type, names.qualified_name(type))
        found += rules.required_one_of(f"{at}.status", condition.get("status"), ("False", "True", "Unknown"))
    return found


def _whole(path: str, text: str) -> Cause:
    """About a rule as a whole: upstream shows no value."""
    return Cause("FieldValueInvalid", f"Invalid value: {text}", path)


def _codes(path: str, wanted: Json, containers: frozenset[str]) -> list[Cause]:
    operator, name, values = wanted.get("operator"), wanted.get("containerName"), wanted.get("values") or []
    found = rules.required_one_of(f"{path}.operator", operator, ("In", "NotIn"))
    if name is not None and name not in containers:
        text = "must be one of the container or initContainer names in the pod template"
        found.append(causes.invalid(f"{path}.containerName", name, text))
    here = f"{path}.values"
    if not values:
        found.append(causes.invalid(here, values, "at least one value is required"))
    if len(values) > MOST_CODES:
        found.append(causes.too_many(here, len(values), MOST_CODES))
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            found.append(causes.invalid(f"{here}[{index}]", value, "must not be 0 for the In operator"))
        if value in values[:index]:
            found.append(causes.duplicate(f"{here}[{index}]", value))
    ordered = all(before <= after for before, after in pairwise(values))
    return found if ordered else [*found, causes.invalid(here, values, "must be ordered")]


def replacement(path: str, spec: Json) -> list[Cause]:
    policy = spec.get("podReplacementPolicy")
    if policy is None:
        return []
    options = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    return rules.one_of(path, policy, options)


def restarts(path: str, spec: Json) -> list[Cause]:
    """A Job's Pods come to an end."""
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy", "")
    if policy in ("", "Always"):
        return [causes.required(path, 'valid values: "OnFailure", "Never"')]
    if policy not in ("OnFailure", "Never"):
        return [causes.unsupported(path, policy, ("OnFailure", "Never"))]
    if spec.get("podFailurePolicy") is not None and policy != "Never":
        return [causes.invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')]
    return []
