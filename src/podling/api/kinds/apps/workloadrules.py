"""What the workloads of apps/v1 have in common: a selector, a template it must match, numbers, rolling parameters."""

from __future__ import annotations

import re
from typing import Any

from podling.api import labels, names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.core import podrules

Json = dict[str, Any]


def selector_and_template(spec: Json, kind: str, empty: str = "deployment") -> list[Cause]:
    """spec.selector is required, not empty, and selects the Pods of spec.template, which run for ever.

    `empty` is the kind that upstream names in the message about an empty selector.
    """
    selector, template = spec.get("selector"), spec.get("template") or {}
    found: list[Cause] = []
    if selector is None:
        found.append(causes.required("spec.selector"))
    else:
        found += rules.label_selector("spec.selector", selector)
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            text = f"empty selector is invalid for {empty}"
            found.append(causes.invalid("spec.selector", selector, text))
    found += _matches(selector, template)
    found += podrules.template("spec.template", template)
    return found + always_restarts(template, kind)


def _matches(selector: Json | None, template: Json) -> list[Cause]:
    own = (template.get("metadata") or {}).get("labels") or {}
    try:
        matcher = labels.of(selector)
    except labels.BadSelector:
        return [causes.invalid("spec.selector", selector, "invalid label selector")]
    if selector is not None and (not matcher or matcher.matches(own)):
        return []
    text = "`selector` does not match template `labels`"
    return [causes.invalid("spec.template.metadata.labels", own, text)]


def always_restarts(template: Json, kind: str) -> list[Cause]:
    spec = template.get("spec") or {}
    found: list[Cause] = []
    if spec.get("restartPolicy") != "Always":
        found.append(causes.unsupported("spec.template.spec.restartPolicy", spec.get("restartPolicy", ""), ("Always",)))
    if spec.get("activeDeadlineSeconds") is not None:
        text = f"activeDeadlineSeconds in {kind} is not Supported"
        found.append(causes.forbidden("spec.template.spec.activeDeadlineSeconds", text))
    return found


def not_negative(owner: Json, path: str, *fields: str) -> list[Cause]:
    return [cause for name in fields for cause in rules.not_negative(f"{path}.{name}", owner.get(name))]


def immutable_selector(new: Json, old: Json) -> list[Cause]:
    return causes.immutable(
        "spec.selector", (new.get("spec") or {}).get("selector"), (old.get("spec") or {}).get("selector")
    )


def int_or_percent(path: str, value: int | str) -> list[Cause]:
    if isinstance(value, str):
        return rules.all_invalid(path, value, names.percent(value))
    return rules.not_negative(path, value)


def percent_or_zero(value: int | str | None) -> int:
    """The number in `25%` or of an int; 0 for what is neither."""
    if isinstance(value, int):
        return value
    return int(value[:-1]) if value and re.fullmatch("[0-9]+%", value) else 0


def at_most_whole(path: str, value: int | str) -> list[Cause]:
    if isinstance(value, str) and percent_or_zero(value) > 100:
        return [causes.invalid(path, value, "must not be greater than 100%")]
    return []


def counts(new: Json, *fields: str, of: str = "replicas") -> list[Cause]:
    """Counters of a status: not negative, none greater than the total."""
    status = new.get("status") or {}
    found = not_negative(status, "status", of, *fields, "observedGeneration")
    for name in fields:
        if status.get(name, 0) > status.get(of, 0):
            found.append(causes.invalid(f"status.{name}", status[name], f"cannot be greater than status.{of}"))
    return found
