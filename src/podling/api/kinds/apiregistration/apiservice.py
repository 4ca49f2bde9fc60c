"""APIService: a group version that another server answers."""

from __future__ import annotations

import base64
import binascii

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.apiregistration import oldversions
from podling.api.kinds.cells import AGE, NAME, at, column
from podling.api.kinds.kind import Json, Kind, Strategy

MOST_GROUP, MOST_VERSION = 20000, 1000


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


def defaults(obj: Json) -> None:
    if found := at(obj, "spec.service"):
        found.setdefault("port", 443)


def created(obj: Json) -> None:
    """One that this server answers itself is available at once."""
    obj["status"] = {}
    if not at(obj, "spec.service"):
        condition = {
            "type": "Available",
            "status": "True",
            "lastTransitionTime": obj["metadata"].get("creationTimestamp"),
            "reason": "Local",
            "message": "Local APIServices are always available",
        }
        obj["status"] = {"conditions": [condition]}


def validate(obj: Json) -> list[Cause]:
    spec, name = obj.get("spec") or {}, obj["metadata"].get("name", "")
    group, version = spec.get("group", ""), spec.get("version", "")
    found: list[Cause] = []
    if name != (wanted := f"{version}.{group}"):
        text = f'must be `spec.version+"."+spec.group`: "{wanted}"'
        found.append(causes.invalid("metadata.name", name, text))
    if not group and version != "v1":
        text = "only v1 may have an empty group and it better be legacy kube"
        found.append(causes.required("spec.group", text))
    if group:
        found += rules.all_invalid("spec.group", group, names.dns_subdomain(group))
    found += rules.all_invalid("spec.version", version, names.dns_1035_label(version))
    for field, limit in (("groupPriorityMinimum", MOST_GROUP), ("versionPriority", MOST_VERSION)):
        if not 0 < spec.get(field, 0) <= limit:
            text = f"must be positive and less than {limit}"
            found.append(causes.invalid(f"spec.{field}", spec.get(field, 0), text))
    return found + (_local(spec) if spec.get("service") is None else _remote(spec))


def _local(spec: Json) -> list[Cause]:
    found: list[Cause] = []
    if bundle := spec.get("caBundle"):
        shown = f"{_size(bundle)} bytes"
        found.append(causes.invalid("spec.caBundle", shown, "local APIServices may not have a caBundle"))
    if spec.get("insecureSkipTLSVerify"):
        text = "local APIServices may not have insecureSkipTLSVerify"
        found.append(causes.invalid("spec.insecureSkipTLSVerify", True, text))
    return found


def _remote(spec: Json) -> list[Cause]:
    found: list[Cause] = []
    for field in ("namespace", "name"):
        if not spec["service"].get(field):
            found.append(causes.required(f"spec.service.{field}"))
    port = spec["service"].get("port", 443)
    if texts := names.port_number(port):
        found.append(causes.invalid("spec.service.port", port, f"port is not valid: {','.join(texts)}"))
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        found.append(causes.invalid("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present"))
    return found


def _size(bundle: str) -> int:
    try:
        return len(base64.b64decode(bundle))
    except binascii.Error:
        return len(bundle)


KIND = Kind(
    "apiregistration.k8s.io",
    "v1",
    "APIService",
    defaults=defaults,
    validate=validate,
    name_rule=names.path_segment,
    strategy=Strategy(status=True, unconditional_update=False, on_create=created),
    columns=(
        NAME,
        column("Service", service, description="Who answers."),
        column("Available", available, description="Whether it answers."),
        AGE,
    ),
    conversions=(oldversions.services(),),
)
