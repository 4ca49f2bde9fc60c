"""ConfigMap.

Plain configuration: text in `data`, bytes (base64) in `binaryData`, at most a mebibyte together.
"""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.cells import AGE, NAME, column
from podling.api.kinds.core import datarules
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


def validate(obj: Json) -> list[Cause]:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    found = datarules.keys("data", data)
    total = len("".join(data.values()).encode())
    if binary:
        both = [key for key in data if key in binary]
        found += [causes.invalid(f"data[{key}]", key, "duplicate of key present in binaryData") for key in both]
        found += datarules.keys("binaryData", binary)
        total += sum(datarules.size_of_base64(text) for text in binary.values())
    return [*found, causes.too_long("[]", datarules.LIMIT)] if total > datarules.LIMIT else found


def validate_update(new: Json, old: Json) -> list[Cause]:
    return datarules.immutable(new, old, "data", "binaryData")


KIND = Kind(
    "",
    "v1",
    "ConfigMap",
    ConfigMap,
    validate=validate,
    validate_update=validate_update,
    columns=(NAME, column("Data", entries, "string", description="Number of entries."), AGE),
)
