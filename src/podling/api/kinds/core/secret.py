"""Secret."""

from __future__ import annotations

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
