"""Webhook configurations as admissionregistration.k8s.io/v1beta1 filled them in, until 1.22.

A webhook that failed was ignored, it had half a minute, its side effects were unknown, and it spoke v1beta1.
"""

from __future__ import annotations

from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Conversion, Json
from podling.api.kinds.versions import same_shape


def beta_defaults(obj: Json) -> None:
    for webhook in obj.get("webhooks") or ():
        fill(webhook, "failurePolicy", "Ignore")
        fill(webhook, "matchPolicy", "Exact")
        webhook.setdefault("namespaceSelector", {})
        webhook.setdefault("objectSelector", {})
        fill(webhook, "sideEffects", "Unknown")
        webhook.setdefault("timeoutSeconds", 30)
        fill(webhook, "admissionReviewVersions", ["v1beta1"])
        if obj.get("kind") == "MutatingWebhookConfiguration":
            fill(webhook, "reinvocationPolicy", "Never")
        for rule in webhook.get("rules") or ():
            fill(rule, "scope", "*")
        if (service := (webhook.get("clientConfig") or {}).get("service")) is not None:
            service.setdefault("port", 443)


def webhooks() -> Conversion:
    group = "admissionregistration.k8s.io"
    return same_shape(group, "v1beta1", beta_defaults, f"{group}/v1")
