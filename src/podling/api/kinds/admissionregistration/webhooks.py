"""What admission webhooks and policies fill in and show alike."""

from __future__ import annotations

from podling.api.kinds.admissionregistration import oldversions, webhookrules
from podling.api.kinds.admissionregistration.policyrules import validate_binding
from podling.api.kinds.cells import AGE, NAME, at, column, count, selector_text, value
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Json, Kind, Strategy

GROUP = "admissionregistration.k8s.io"
_VERSIONED = Strategy(generation=True, unconditional_update=False)


def webhook_kind(kind: str) -> Kind:
    """The declaration of a configuration of webhooks."""
    asked = column("Webhooks", count("webhooks"), "integer", description="How many are asked.")
    return Kind(
        GROUP,
        "v1",
        kind,
        defaults=webhook_defaults,
        validate=webhookrules.validate,
        strategy=_VERSIONED,
        columns=(NAME, asked, AGE),
        conversions=(oldversions.webhooks(),),
    )


def binding_kind(kind: str) -> Kind:
    """The declaration of a binding of policies."""
    columns = (
        NAME,
        column("PolicyName", value("spec.policyName"), description="The policy."),
        column("ParamRef", param_ref, description="Its parameters."),
        AGE,
    )
    return Kind(
        GROUP, "v1", kind, defaults=binding_defaults, validate=validate_binding, strategy=_VERSIONED, columns=columns
    )


def binding_defaults(obj: Json) -> None:
    constraints((obj.get("spec") or {}).get("matchResources"))


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
