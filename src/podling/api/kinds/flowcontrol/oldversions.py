"""The betas of flowcontrol.apiserver.k8s.io, until 1.32: a level's share was `assuredConcurrencyShares` at first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Conversion, Json
from podling.api.kinds.versions import renamed, same_shape, with_spec

GROUP: Final = "flowcontrol.apiserver.k8s.io"
HUB: Final = f"{GROUP}/v1"
BETAS: Final = ("v1beta3", "v1beta2", "v1beta1")
Defaults = Callable[[Json], None]
OLD, NEW = "assuredConcurrencyShares", "nominalConcurrencyShares"


def flow_schemas(default: Defaults) -> tuple[Conversion, ...]:
    return tuple(same_shape(GROUP, version, default, HUB) for version in BETAS)


def levels(default: Defaults) -> tuple[Conversion, ...]:
    """`default` are those of v1, which fill in a share too where it is 0, as the betas did."""

    def beta3(obj: Json) -> None:
        _shares(obj, NEW)
        default(obj)

    def older(obj: Json) -> None:
        _shares(obj, OLD)

    return (
        same_shape(GROUP, "v1beta3", beta3, HUB),
        *(with_spec(GROUP, version, older, HUB, _to_hub, _from_hub) for version in ("v1beta2", "v1beta1")),
    )


def _shares(obj: Json, name: str) -> None:
    if (limited := obj.setdefault("spec", {}).get("limited")) is not None:
        fill(limited, name, 30)


def _to_hub(obj: Json) -> Json:
    return _limited(obj, OLD, NEW)


def _from_hub(obj: Json) -> Json:
    return _limited(obj, NEW, OLD)


def _limited(obj: Json, before: str, after: str) -> Json:
    spec = obj.get("spec") or {}
    if not spec.get("limited"):
        return obj
    return obj | {"spec": spec | {"limited": renamed(spec["limited"], **{before: after})}}
