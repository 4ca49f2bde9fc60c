"""What the reviews of authorization.k8s.io have in common: answered, not kept, and v1beta1 until 1.22.

v1beta1 called the groups of a user `group`.
"""

from __future__ import annotations

from typing import Final

from podling.api.kinds.kind import Json, Kind
from podling.api.kinds.versions import renamed, same_shape, with_spec, without_defaults

GROUP: Final = "authorization.k8s.io"
HUB: Final = f"{GROUP}/v1"


def about_oneself(kind: str) -> Kind:
    return Kind(GROUP, "v1", kind, conversions=(same_shape(GROUP, "v1beta1", without_defaults, HUB),))


def about_others(kind: str) -> Kind:
    conversion = with_spec(GROUP, "v1beta1", without_defaults, HUB, _to_hub, _from_hub)
    return Kind(GROUP, "v1", kind, conversions=(conversion,))


def _to_hub(obj: Json) -> Json:
    return obj | {"spec": renamed(obj.get("spec") or {}, group="groups")}


def _from_hub(obj: Json) -> Json:
    return obj | {"spec": renamed(obj.get("spec") or {}, groups="group")}
