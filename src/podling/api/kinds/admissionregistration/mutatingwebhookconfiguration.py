"""MutatingWebhookConfiguration: who is asked before an object is written."""

from __future__ import annotations

from podling.api.kinds.admissionregistration.webhooks import webhook_kind

KIND = webhook_kind("MutatingWebhookConfiguration")
