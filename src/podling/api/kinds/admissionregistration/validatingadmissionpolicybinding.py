"""ValidatingAdmissionPolicyBinding: where a policy holds, and with which parameters."""

from __future__ import annotations

from podling.api.kinds.admissionregistration.webhooks import constraints, param_ref
from podling.api.kinds.cells import AGE, NAME, column, value
from podling.api.kinds.kind import Json, Kind, Strategy


def defaults(obj: Json) -> None:
    constraints((obj.get("spec") or {}).get("matchResources"))


KIND = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingAdmissionPolicyBinding",
    defaults=defaults,
    strategy=Strategy(generation=True, unconditional_update=False),
    columns=(
        NAME,
        column("PolicyName", value("spec.policyName"), description="The policy."),
        column("ParamRef", param_ref, description="Its parameters."),
        AGE,
    ),
)
