"""APIService: a group version that another server answers."""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.apiregistration import oldversions
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


def validate(obj: Json) -> list[Cause]:
    spec, name = obj.get("spec") or {}, obj["metadata"].get("name", "")
    group, version = spec.get("group", ""), spec.get("version", "")
    wanted = f"{version}.{group}"
    found: list[Cause] = []
    if name != wanted:
        text = f'must be `spec.version+"."+spec.group`: "{wanted}"'
        found.append(causes.invalid("metadata.name", name, text))
    found += rules.named("spec.version", version, names.dns_1035_label)
    for field in ("groupPriorityMinimum", "versionPriority"):
        if not 0 < spec.get(field, 0) <= 20000:
            limit = 20000 if field == "groupPriorityMinimum" else 1000
            text = f"must be positive and less than {limit}"
            found.append(causes.invalid(f"spec.{field}", spec.get(field, 0), text))
    return found


KIND = Kind(
    "apiregistration.k8s.io",
    "v1",
    "APIService",
    validate=validate,
    strategy=Strategy(status=True),
    columns=(
        NAME,
        column("Service", service, description="Who answers."),
        column("Available", available, description="Whether it answers."),
        AGE,
    ),
    conversions=(oldversions.services(),),
    needs_controller=True,
)
