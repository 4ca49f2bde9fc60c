"""APIService as apiregistration.k8s.io/v1beta1 wrote it, until 1.22: as v1 does."""

from __future__ import annotations

from podling.api.kinds.kind import Conversion
from podling.api.kinds.versions import same_shape, without_defaults


def services() -> Conversion:
    return same_shape("apiregistration.k8s.io", "v1beta1", without_defaults, "apiregistration.k8s.io/v1")
