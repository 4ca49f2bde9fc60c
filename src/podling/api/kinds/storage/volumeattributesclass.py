"""VolumeAttributesClass: attributes of a volume that may be changed while it lives."""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, column, value
from podling.api.kinds.kind import Kind

KIND = Kind(
    "storage.k8s.io",
    "v1",
    "VolumeAttributesClass",
    columns=(NAME, column("DriverName", value("driverName"), description="Driver that knows the attributes."), AGE),
)
