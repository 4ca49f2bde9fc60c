"""PodMetrics.

What the containers of a Pod use now. Nothing of it is kept: the API server makes it when it is asked
(`apiserver/metricsapi`).
"""

from __future__ import annotations

from podling.api.kinds.cells import NAME, column
from podling.api.kinds.kind import Kind
from podling.api.kinds.metrics import usagecells

KIND = Kind(
    "metrics.k8s.io",
    "v1beta1",
    "PodMetrics",
    columns=(
        NAME,
        column("cpu", usagecells.of_containers("cpu"), description="Processor time used."),
        column("memory", usagecells.of_containers("memory"), description="Working set."),
        column("Window", usagecells.window, description="The time over which it was measured."),
    ),
)
