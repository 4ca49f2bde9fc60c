"""All probe handlers of this folder, found by their constant `PROBE`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from podling.api.kinds.core.container import LifecycleHandler, Probe
from podling.kubelet import probes
from podling.kubelet.probes.types import Outcome, ProbeType, Target


@cache
def types() -> Mapping[str, ProbeType]:
    """Handlers by the field that chooses them."""
    found: dict[str, ProbeType] = {}
    for module in pkgutil.iter_modules(probes.__path__):
        declared = getattr(importlib.import_module(f"{probes.__name__}.{module.name}"), "PROBE", None)
        if declared is not None:
            found[declared.source] = declared
    return MappingProxyType(found)


async def ask(declared: Probe | LifecycleHandler, target: Target, timeout: float) -> Outcome:
    """One question by whichever handler is declared; `timeout` in seconds."""
    for source, kind in types().items():
        action = getattr(declared, source, None)
        if action is not None:
            return await kind.ask(action, target, timeout)
    return Outcome("unknown", "missing probe handler")
