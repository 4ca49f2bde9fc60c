"""ConfigMap.

Plain configuration: text in `data`, bytes (base64) in `binaryData`, at most a mebibyte together.
"""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, column
from podling.api.kinds.kind import Json, Kind
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View, field


class ConfigMap(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    immutable: bool | None = None
    data: dict[str, str] = field(default_factory=dict)
    binary_data: dict[str, str] = field(default_factory=dict)


def entries(obj: Json, now: float) -> int:
    return len(obj.get("data") or ()) + len(obj.get("binaryData") or ())


KIND = Kind(
    "",
    "v1",
    "ConfigMap",
    ConfigMap,
    columns=(NAME, column("Data", entries, "string", description="Number of entries."), AGE),
)
