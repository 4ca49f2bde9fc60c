"""Printer columns and selectable fields of custom resources: JSONPaths of the CRD as cells and selectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from podling.api.kinds.cells import AGE, INVALID, NAME, UNKNOWN, since
from podling.api.kinds.kind import Cell, Column, Json
from podling.api.schema.custom.jsonpath import BadPath, JsonPath, compile_path


def columns_of(version: Json) -> tuple[Column, ...]:
    """Name, then what the version declares; Age where it declares nothing."""
    said = version.get("additionalPrinterColumns")
    if not said:
        return (NAME, AGE)
    return (NAME, *(_column(each) for each in said))


def _column(said: Json) -> Column:
    cell = _cell(compile_path(said["jsonPath"]), said["type"])
    # Dates become ages here, so what clients get is text.
    shown = "string" if said["type"] == "date" else said["type"]
    text = said.get("description") or f"Custom resource definition column (in JSONPath format): {said['jsonPath']}"
    return Column(said["name"], cell, shown, said.get("format", ""), said.get("priority", 0), text)


def _cell(find: JsonPath, type_: str) -> Cell:
    show = _SHOWN[type_]

    def cell(obj: Json, now: float) -> Any:
        found = find(obj)
        return show(found[0], now) if found and found[0] is not None else None

    return cell


def _text(value: Any, now: float) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _whole(value: Any, now: float) -> int | None:
    """As an int64, which cannot be larger than its limits."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return max(-(1 << 63), min(int(value), (1 << 63) - 1))


def _number(value: Any, now: float) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _flag(value: Any, now: float) -> bool | None:
    return value if isinstance(value, bool) else None


def _age(value: Any, now: float) -> str:
    if not isinstance(value, str) or not value:
        return UNKNOWN
    try:
        return since(value, now)
    except ValueError:
        return INVALID


_SHOWN: dict[str, Callable[[Any, float], Any]] = {
    "string": _text,
    "integer": _whole,
    "number": _number,
    "boolean": _flag,
    "date": _age,
}


def fields_of(version: Json) -> tuple[Callable[[Json], dict[str, str]], frozenset[str]]:
    """What reads the values of the selectable fields, and their names (`spec.color`)."""
    paths: dict[str, JsonPath] = {}
    for each in version.get("selectableFields") or ():
        try:
            paths[each["jsonPath"].removeprefix(".")] = compile_path(each["jsonPath"])
        except BadPath:
            continue  # an older CRD than its rules

    def fields(obj: Json) -> dict[str, str]:
        return {name: _value(find(obj)) for name, find in paths.items()}

    return fields, frozenset(paths)


def _value(found: list[Any]) -> str:
    if not found or found[0] is None:
        return ""
    return found[0] if isinstance(found[0], str) else json.dumps(found[0])
