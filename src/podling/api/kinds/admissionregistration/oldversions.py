"""Webhook configurations as admissionregistration.k8s.io/v1beta1 filled them in, until 1.22.

A webhook that failed was ignored, it had half a minute, its side effects were unknown, and it spoke v1beta1.
Of what v1 refuses (side effects that are unknown, or some) an annotation tells.
"""

from __future__ import annotations

from typing import Final

from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Conversion, Json
from podling.api.kinds.versions import annotated, annotation, with_spec

MARK: Final = "podling.dev/v1beta1-webhooks"


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
    return with_spec(group, "v1beta1", beta_defaults, f"{group}/v1", _to_hub, _from_hub)


def written_then(obj: Json) -> bool:
    """Whether a configuration of the hub was written in v1beta1 and says what v1 would refuse."""
    return annotation(obj, MARK) != ""


def _to_hub(obj: Json) -> Json:
    effects = {webhook.get("sideEffects") for webhook in obj.get("webhooks") or ()}
    return annotated(obj, MARK, "true") if effects & {"Some", "Unknown"} else obj


def _from_hub(obj: Json) -> Json:
    return annotated(obj, MARK, None) if written_then(obj) else obj
