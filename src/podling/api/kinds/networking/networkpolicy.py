"""NetworkPolicy.

Which Pods may talk to which.
"""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, at, column, selector_text
from podling.api.kinds.kind import Json, Kind, Strategy


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


KIND = Kind(
    "networking.k8s.io",
    "v1",
    "NetworkPolicy",
    defaults=defaults,
    strategy=Strategy(generation=True),
    columns=(
        NAME,
        column("Pod-Selector", lambda obj, _: selector_text(at(obj, "spec.podSelector")), description="Its Pods."),
        AGE,
    ),
    needs_controller=True,
)
