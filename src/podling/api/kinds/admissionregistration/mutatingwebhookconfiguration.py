"""MutatingWebhookConfiguration: who is asked before an object is written."""

from __future__ import annotations

from podling.api.kinds.admissionregistration.webhooks import webhook_defaults
from podling.api.kinds.cells import AGE, NAME, column, count
from podling.api.kinds.kind import Kind, Strategy

KIND = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "MutatingWebhookConfiguration",
    defaults=webhook_defaults,
    strategy=Strategy(generation=True, unconditional_update=False),
    columns=(NAME, column("Webhooks", count("webhooks"), "integer", description="How many are asked."), AGE),
)
