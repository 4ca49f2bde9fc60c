"""CSINode: the storage drivers of a node."""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, column, count
from podling.api.kinds.kind import Kind, Strategy
from podling.api.kinds.versions import same_shape, without_defaults

KIND = Kind(
    "storage.k8s.io",
    "v1",
    "CSINode",
    strategy=Strategy(unconditional_update=False),
    columns=(NAME, column("Drivers", count("spec.drivers"), "integer", description="How many drivers it has."), AGE),
    conversions=(same_shape("storage.k8s.io", "v1beta1", without_defaults, "storage.k8s.io/v1"),),
)
