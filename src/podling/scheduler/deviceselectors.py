"""Expressions that choose devices, compiled once and asked once a device. Pure.

An expression sees `device` with its driver, attributes and capacity, both by domain and name (Kubernetes
documentation, "Dynamic Resource Allocation", CEL).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podling.api import cel

BUDGET = 1_000_000
"""What one evaluation may cost."""
MOST = 1000
"""Expressions that are remembered."""
_BY_DOMAIN = cel.map_of(cel.STRING, cel.map_of(cel.STRING, cel.DYN))
_DEVICE = cel.struct(
    "Device",
    {
        "driver": cel.STRING,
        "attributes": _BY_DOMAIN,
        "capacity": _BY_DOMAIN,
        "allowMultipleAllocations": cel.BOOL,
    },
)


class _Known:
    """A program, and what it said of which devices."""

    __slots__ = ("program", "said")

    def __init__(self, program: cel.Program) -> None:
        self.program = program
        self.said: dict[tuple[str, str, str], tuple[Mapping[str, Any], bool]] = {}


class Selectors:
    """Programs by their text; what one said of a device is remembered while the device stays as it is."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def matches(self, expression: str, id: tuple[str, str, str], device: Mapping[str, Any]) -> bool:
        """Raises CelError: the expression is none, or fails for this device."""
        known = self.compiled(expression)
        said = known.said.get(id)
        if said is None or said[0] is not device:
            budget = cel.Budget(total=BUDGET, call=BUDGET)
            said = device, known.program.evaluate({"device": device}, budget) is True
            known.said[id] = said
        return said[1]

    def compiled(self, expression: str) -> _Known:
        """Raises CelSyntaxError."""
        found = self._known.get(expression)
        if found is None:
            program = cel.compile(expression, {"device": _DEVICE}, result=cel.BOOL)
            if len(self._known) >= MOST:
                self._known.clear()
            found = self._known[expression] = _Known(program)
        return found
