"""MutatingAdmissionPolicy: rules in CEL about objects that are written."""

from __future__ import annotations

from podling.api.kinds.admissionregistration.policyrules import validate_mutating_policy
from podling.api.kinds.admissionregistration.webhooks import param_kind, policy_defaults
from podling.api.kinds.cells import AGE, NAME, column, count
from podling.api.kinds.kind import Kind, Strategy

KIND = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "MutatingAdmissionPolicy",
    defaults=policy_defaults,
    validate=validate_mutating_policy,
    strategy=Strategy(generation=True, unconditional_update=False),
    columns=(
        NAME,
        column("Mutations", count("spec.mutations"), "integer", description="How many there are."),
        column("ParamKind", param_kind, description="The kind of its parameters."),
        AGE,
    ),
)
