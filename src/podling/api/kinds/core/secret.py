"""Secret.

Like a ConfigMap with base64 values and a type that says which keys must be there. `stringData` is for writing only: it
is folded into `data` before anything else looks at the object.
"""

from __future__ import annotations

from base64 import b64encode

from podling.api.kinds.cells import AGE, NAME, column, value
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Json, Kind
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View, field


class Secret(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    immutable: bool | None = None
    data: dict[str, str] = field(default_factory=dict)
    string_data: dict[str, str] = field(default_factory=dict)
    type: str = ""


def defaults(obj: Json) -> None:
    fill(obj, "type", "Opaque")
    for key, text in (obj.pop("stringData", None) or {}).items():
        obj["data"] = {**(obj.get("data") or {}), key: b64encode(text.encode()).decode()}


def fields(obj: Json) -> dict[str, str]:
    return {"type": obj.get("type", "")}


KIND = Kind(
    "",
    "v1",
    "Secret",
    Secret,
    defaults=defaults,
    columns=(
        NAME,
        column("Type", value("type"), description="What the data means."),
        column("Data", lambda obj, _: len(obj.get("data") or ()), description="Number of entries."),
        AGE,
    ),
    fields=fields,
    field_names=frozenset(("type",)),
)
