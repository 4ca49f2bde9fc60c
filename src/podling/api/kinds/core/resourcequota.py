"""ResourceQuota.

How much a namespace may use, and uses.
"""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, at, column
from podling.api.kinds.kind import Json, Kind, Strategy


def _usage(obj: Json, limits: bool) -> str:
    """`pods: 2/10, requests.cpu: 1/4`."""
    hard, used = at(obj, "status.hard") or {}, at(obj, "status.used") or {}
    names = sorted(name for name in hard if name.startswith("limits.") == limits)
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)


KIND = Kind(
    "",
    "v1",
    "ResourceQuota",
    strategy=Strategy(status=True, returns_deleted=True),
    columns=(
        NAME,
        column("Request", lambda obj, _: _usage(obj, limits=False), description="Used of what may be requested."),
        column("Limit", lambda obj, _: _usage(obj, limits=True), description="Used of what limits may add up to."),
        AGE,
    ),
    needs_controller=True,
)
