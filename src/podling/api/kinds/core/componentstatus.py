"""ComponentStatus.

The health of the control plane's parts, answered and never stored.
"""

from __future__ import annotations

from podling.api.kinds.cells import NAME, column
from podling.api.kinds.kind import Json, Kind


def _condition(obj: Json, name: str) -> str:
    healthy = (c.get(name, "") for c in obj.get("conditions") or () if c.get("type") == "Healthy")
    return next(healthy, "")


def status(obj: Json, now: float) -> str:
    return {"True": "Healthy", "False": "Unhealthy"}.get(_condition(obj, "status"), "Unknown")


KIND = Kind(
    "",
    "v1",
    "ComponentStatus",
    columns=(
        NAME,
        column("Status", status, description="Healthy or not."),
        column("Message", lambda obj, _: _condition(obj, "message"), description="What it says."),
        column("Error", lambda obj, _: _condition(obj, "error"), description="What went wrong."),
    ),
)
