"""RuntimeClass: a name for a way of running containers."""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, column, value
from podling.api.kinds.kind import Kind, Strategy

KIND = Kind(
    "node.k8s.io",
    "v1",
    "RuntimeClass",
    strategy=Strategy(unconditional_update=False),
    columns=(NAME, column("Handler", value("handler"), description="The runtime's own name for it."), AGE),
)
