"""ResourceSlice: devices of a node or of the network."""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, at, column, value
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.storage import storagerules

_PLACES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = storagerules.driver_name("spec.driver", spec.get("driver", ""))
    found += rules.named("spec.pool.name", at(spec, "pool.name") or "", _path_of_subdomains)
    if (at(spec, "pool.resourceSliceCount") or 0) <= 0:
        count = at(spec, "pool.resourceSliceCount") or 0
        found.append(causes.invalid("spec.pool.resourceSliceCount", count, "must be greater than zero"))
    placed = [name for name in _PLACES if spec.get(name)]
    if not placed:
        text = f"exactly one of {', '.join(f'`{name}`' for name in _PLACES)} is required"
        found.append(causes.required("spec", text))
    elif len(placed) > 1:
        shown = ", ".join(f"`{name}`" for name in placed)
        text = f"exactly one of {', '.join(f'`{name}`' for name in _PLACES)} is required, but multiple fields are set"
        found.append(causes.invalid("spec", f"{{{shown}}}", text))
    seen: set[str] = set()
    for index, device in enumerate(spec.get("devices") or ()):
        name = device.get("name", "")
        found += rules.named(f"spec.devices[{index}].name", name, names.dns_label)
        if name in seen:
            found.append(causes.duplicate(f"spec.devices[{index}].name", name))
        seen.add(name)
    return found


def _path_of_subdomains(text: str) -> list[str]:
    return [wrong for part in text.split("/") for wrong in names.dns_subdomain(part)]


def validate_update(new: Json, old: Json) -> list[Cause]:
    return [
        cause
        for name in ("driver", "nodeName")
        for cause in causes.immutable(f"spec.{name}", at(new, f"spec.{name}"), at(old, f"spec.{name}"))
    ] + causes.immutable("spec.pool.name", at(new, "spec.pool.name"), at(old, "spec.pool.name"))


KIND = Kind(
    "resource.k8s.io",
    "v1",
    "ResourceSlice",
    validate=validate,
    validate_update=validate_update,
    strategy=Strategy(generation=True),
    columns=(
        NAME,
        column("Node", value("spec.nodeName", "<unset>"), description="The node they belong to."),
        column("Driver", value("spec.driver"), description="Their driver."),
        column("Pool", value("spec.pool.name"), description="The pool they belong to."),
        AGE,
    ),
    fields=lambda obj: {
        "spec.nodeName": at(obj, "spec.nodeName") or "",
        "spec.driver": at(obj, "spec.driver") or "",
    },
    field_names=frozenset(("spec.nodeName", "spec.driver")),
)
