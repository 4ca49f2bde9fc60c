"""NodeMetrics.

What a node uses now. Nothing of it is kept: the API server makes it when it is asked (`apiserver/metricsapi`).
"""

from __future__ import annotations

from podling.api.kinds.cells import NAME, column
from podling.api.kinds.kind import Kind
from podling.api.kinds.metrics import usagecells

KIND = Kind(
    "metrics.k8s.io",
    "v1beta1",
    "NodeMetrics",
    columns=(
        NAME,
        column("cpu", usagecells.of_node("cpu"), description="Processor time used."),
        column("memory", usagecells.of_node("memory"), description="Working set."),
        column("Window", usagecells.window, description="The time over which it was measured."),
    ),
)
