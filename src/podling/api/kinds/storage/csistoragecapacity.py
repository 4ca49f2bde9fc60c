"""CSIStorageCapacity: how much a class can still give in a topology segment."""

from __future__ import annotations

from podling.api.kinds.cells import NAME, column, value
from podling.api.kinds.kind import Kind
from podling.api.kinds.versions import same_shape, without_defaults

KIND = Kind(
    "storage.k8s.io",
    "v1",
    "CSIStorageCapacity",
    columns=(
        NAME,
        column("StorageClassName", value("storageClassName"), description="The class."),
        column("Capacity", value("capacity"), description="What it can still give."),
    ),
    conversions=(same_shape("storage.k8s.io", "v1beta1", without_defaults, "storage.k8s.io/v1"),),
)
