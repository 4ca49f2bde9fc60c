"""apps/v1beta2, which 1.16 removed: the shape of apps/v1 under another name.

Its kinds differ from v1 in nothing that an object shows; its defaults were those of v1 already. Only the Scale
subresource is another kind (`podling.api.kinds.scale`).
"""

from __future__ import annotations

from collections.abc import Callable

from podling.api.kinds.kind import Conversion, Json


def same_shape(version: str, default: Callable[[Json], None], group: str = "apps", hub: str = "apps/v1") -> Conversion:
    """The conversion of a version whose objects look like those of the hub."""
    here = f"{group}/{version}"
    return Conversion(
        group,
        version,
        default,
        to_hub=lambda obj: {**obj, "apiVersion": hub},
        from_hub=lambda obj: {**obj, "apiVersion": here},
    )
