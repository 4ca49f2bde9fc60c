"""What admission webhooks and policies fill in and show alike."""

from __future__ import annotations

from podling.api.kinds.cells import at, selector_text
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Json


def webhook_defaults(obj: Json) -> None:
    for webhook in obj.get("webhooks") or ():
        fill(webhook, "failurePolicy", "Fail")
        fill(webhook, "matchPolicy", "Equivalent")
        webhook.setdefault("namespaceSelector", {})
        webhook.setdefault("objectSelector", {})
        webhook.setdefault("timeoutSeconds", 10)
        if obj.get("kind") == "MutatingWebhookConfiguration":
            fill(webhook, "reinvocationPolicy", "Never")
        for rule in webhook.get("rules") or ():
            fill(rule, "scope", "*")
        if service := at(webhook, "clientConfig.service"):
            service.setdefault("port", 443)


def policy_defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, "failurePolicy", "Fail")
    constraints(spec.get("matchConstraints"))
    if obj.get("kind") == "MutatingAdmissionPolicy":
        fill(spec, "reinvocationPolicy", "Never")


def constraints(match: Json | None) -> None:
    if match is None:
        return
    fill(match, "matchPolicy", "Equivalent")
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    for rule in (*(match.get("resourceRules") or ()), *(match.get("excludeResourceRules") or ())):
        fill(rule, "scope", "*")


def param_kind(obj: Json, now: float) -> str:
    found = at(obj, "spec.paramKind")
    return f"{found.get('apiVersion', '')}/{found.get('kind', '')}" if found else "<unset>"


def param_ref(obj: Json, now: float) -> str:
    found = at(obj, "spec.paramRef")
    if not found:
        return "<unset>"
    if found.get("name"):
        return f"{found['namespace']}/{found['name']}" if found.get("namespace") else str(found["name"])
    return selector_text(found.get("selector"))
