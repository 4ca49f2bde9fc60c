"""DeviceClass: a class of devices."""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME
from podling.api.kinds.kind import Kind, Strategy

KIND = Kind("resource.k8s.io", "v1", "DeviceClass", strategy=Strategy(generation=True), columns=(NAME, AGE))
