"""MutatingAdmissionPolicyBinding: where a policy holds, and with which parameters."""

from __future__ import annotations

from podling.api.kinds.admissionregistration.webhooks import binding_kind

KIND = binding_kind("MutatingAdmissionPolicyBinding")
