"""ResourceSlice: devices of a node or of the network."""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, at, column, value
from podling.api.kinds.kind import Kind

KIND = Kind(
    "resource.k8s.io",
    "v1",
    "ResourceSlice",
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
