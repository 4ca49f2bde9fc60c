"""The types of variables and results.

A struct has the fields of a schema, so that `self.replics` is refused when it is written and not when it runs. Where
nothing is known, `DYN` says so and evaluation finds out. Bounds ride along (`limit`): they are what costs are estimated
from (`estimate.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class CelType:
    """`name`: a type of CEL (`int`, `list`, `map`, `optional_type`, `kubernetes.URL` …), with fields a struct's own.

    `limit`: the most elements, characters or bytes a value has, None where nothing bounds it.
    """

    name: str
    params: tuple[CelType, ...] = ()
    fields: Mapping[str, CelType] | None = field(default=None, hash=False)
    """Of a struct: types by the names that expressions use (escaped where JSON's are no identifiers)."""
    limit: int | None = field(default=None, compare=False)
    nullable: bool = False
    least: int = field(default=0, compare=False)
    """The fewest bytes of JSON that one value takes; 0 where nobody thought about it."""


DYN: Final = CelType("dyn")
BOOL: Final = CelType("bool")
INT: Final = CelType("int")
UINT: Final = CelType("uint")
DOUBLE: Final = CelType("double")
STRING: Final = CelType("string")
BYTES: Final = CelType("bytes")
NULL: Final = CelType("null")
TIMESTAMP: Final = CelType("timestamp")
DURATION: Final = CelType("duration")
AUTHORIZER: Final = CelType("kubernetes.authorization.Authorizer")
RESOURCE_CHECK: Final = CelType("kubernetes.authorization.ResourceCheck")


def list_of(element: CelType, limit: int | None = None) -> CelType:
    return CelType("list", (element,), limit=limit)


def map_of(key: CelType, value: CelType, limit: int | None = None) -> CelType:
    return CelType("map", (key, value), limit=limit)


def optional_of(value: CelType) -> CelType:
    return CelType("optional_type", (value,))


def struct(name: str, fields: Mapping[str, CelType]) -> CelType:
    """`name` is one word and is shown in type errors; structs of one environment are told apart by identity."""
    return CelType(name, fields=fields)
