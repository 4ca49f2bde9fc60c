"""All volume types of this folder, found by their constant `VOLUME`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from podling.api.kinds.core.volume import Volume
from podling.kubelet import volumes
from podling.kubelet.volumes.types import MountFailure, VolumeType


@cache
def types() -> Mapping[str, VolumeType]:
    """Volume types by the field that chooses them."""
    found: dict[str, VolumeType] = {}
    for module in pkgutil.iter_modules(volumes.__path__):
        declared = getattr(importlib.import_module(f"{volumes.__name__}.{module.name}"), "VOLUME", None)
        if declared is not None:
            found[declared.source] = declared
    return MappingProxyType(found)


def type_of(volume: Volume) -> VolumeType:
    """The type of a declared volume. Raises MountFailure for those nobody here mounts."""
    for source, kind in types().items():
        if getattr(volume, source) is not None:
            return kind
    named = [field for field in volume.__struct_fields__ if field != "name" and getattr(volume, field) is not None]
    raise MountFailure(f"volumes of type {named[0] if named else 'unknown'} are not supported by this node")
