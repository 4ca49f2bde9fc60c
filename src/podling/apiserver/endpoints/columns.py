"""The columns of kinds that declare none: name and age, as upstream prints most kinds."""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME
from podling.api.kinds.kind import Column, Kind

DEFAULT = (NAME, AGE)


def columns_of(kind: Kind) -> tuple[Column, ...]:
    return kind.columns or DEFAULT
