"""CSIStorageCapacity: how much a class can still give in a topology segment."""

from __future__ import annotations

from podling.api.kinds.cells import NAME, column, value
from podling.api.kinds.kind import Kind

KIND = Kind(
    "storage.k8s.io",
    "v1",
    "CSIStorageCapacity",
    columns=(
        NAME,
        column("StorageClassName", value("storageClassName"), description="The class."),
        column("Capacity", value("capacity"), description="What it can still give."),
    ),
)
