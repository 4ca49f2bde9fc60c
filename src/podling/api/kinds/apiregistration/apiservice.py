"""APIService: a group version that another server answers."""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, at, column
from podling.api.kinds.kind import Json, Kind, Strategy


def service(obj: Json, now: float) -> str:
    found = at(obj, "spec.service")
    return f"{found.get('namespace', '')}/{found.get('name', '')}" if found else "Local"


def available(obj: Json, now: float) -> str:
    """`True`, or `False (ServiceNotFound)`."""
    for condition in at(obj, "status.conditions") or ():
        if condition.get("type") == "Available":
            good = condition.get("status") == "True"
            return "True" if good else f"{condition.get('status')} ({condition.get('reason')})"
    return "Unknown"


KIND = Kind(
    "apiregistration.k8s.io",
    "v1",
    "APIService",
    strategy=Strategy(status=True),
    columns=(
        NAME,
        column("Service", service, description="Who answers."),
        column("Available", available, description="Whether it answers."),
        AGE,
    ),
    needs_controller=True,
)
