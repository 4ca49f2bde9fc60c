"""TokenReview: whose token is this? Answered and not kept."""

from __future__ import annotations

from podling.api.kinds.kind import Kind
from podling.api.kinds.versions import same_shape, without_defaults

KIND = Kind(
    "authentication.k8s.io",
    "v1",
    "TokenReview",
    conversions=(same_shape("authentication.k8s.io", "v1beta1", without_defaults, "authentication.k8s.io/v1"),),
)
