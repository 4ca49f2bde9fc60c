"""Applied configurations against their type, with structured-merge-diff's complaints.

Unlike a body, a configuration says only what its manager wants: nothing is filled in, and null is a value. Quantities,
times and the like get their one spelling, so that they compare with what is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podling.api.patch import fieldset
from podling.api.patch.structure import Plan, plan_of
from podling.api.schema.check import FieldTypeError
from podling.api.schema.types import Type

_WORDS = {"bool": "boolean", "int32": "numeric", "int64": "numeric", "float64": "numeric"}
_FREE = ("raw", "json", "fields", "schemaorbool", "schemaorarray", "schemaorstrings")


def violations(config: dict[str, Any], type_: Type) -> list[str]:
    """`.spec.foo: field not declared in schema` and the like; the config is normalised in place."""
    found: list[str] = []
    _read(config, type_, plan_of(type_), "", found.append)
    return found


def sentence(found: list[str]) -> str:
    """Several findings as upstream lists them."""
    return found[0] if len(found) == 1 else "\n".join(["errors:", *(f"  {each}" for each in found)])


def _read(value: Any, type_: Type, plan: Plan | None, path: str, say: Callable[[str], None]) -> Any:
    if value is None or type_.shape in _FREE:
        return value
    match type_.shape:
        case "struct" | "map":
            if not isinstance(value, dict):
                say(f"{path or '.'}: expected map, got &{{{_shown(value)}}}")
                return value
            for name, item in value.items():
                value[name] = _read_field(name, item, type_, plan, f"{path}.{name}", say)
            return value
        case "list":
            if not isinstance(value, list):
                say(f"{path}: expected list, got &{{{_shown(value)}}}")
                return value
            return _read_list(value, type_, plan, path, say)
    return _read_scalar(value, type_, path, say)


def _read_field(name: str, item: Any, type_: Type, plan: Plan | None, path: str, say: Callable[[str], None]) -> Any:
    if type_.shape == "map":
        assert type_.element is not None
        return _read(item, type_.element, plan.element if plan is not None else None, path, say)
    field = type_.fields.get(name)
    if field is None:
        if not type_.open:
            say(f"{path}: field not declared in schema")
        return item
    below = plan.fields[name][1] if plan is not None else None
    return _read(item, field.type, below, path, say)


def _read_list(value: list[Any], type_: Type, plan: Plan | None, path: str, say: Callable[[str], None]) -> list[Any]:
    assert type_.element is not None
    seen: set[str] = set()
    for index, item in enumerate(value):
        step = f"[{index}]"
        if plan is not None:
            key = _key(item, index, plan, path, say)
            if key is None:
                continue
            step = fieldset.path_text((key,))
            if key in seen:
                say(f"{path}: duplicate entries for key {step}")
            seen.add(key)
        below = plan.element if plan is not None else None
        value[index] = _read(item, type_.element, below, path + step, say)
    return value


def _key(item: Any, index: int, plan: Plan, path: str, say: Callable[[str], None]) -> str | None:
    """The step to an element; None where it cannot be named."""
    where = f"{path}: element {index}: associative list"
    if plan.form == "set":
        if item is None or isinstance(item, dict | list):
            word = "n explicit null" if item is None else " list" if isinstance(item, list) else " map"
            say(f"{where} without keys has an element that's a{word}{'' if item is None else ' type'}")
            return None
        return plan.step(item, index)
    if item is None:
        say(f"{where} with keys may not have a null element")
        return None
    if not isinstance(item, dict):
        say(f"{where} with keys may not have non-map elements")
        return None
    step = plan.step(item, index)
    if step.startswith("i:"):
        names = " ".join(f'"{name}"' for name, _ in plan.keys)
        say(
            f"{where} with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
        return None
    return step


def _read_scalar(value: Any, type_: Type, path: str, say: Callable[[str], None]) -> Any:
    try:
        return type_.check(value, (), [])
    except FieldTypeError as error:
        word = _WORDS.get(type_.shape, "string")
        if type_.shape in ("quantity", "intorstring", "time", "microtime", "bytes") and isinstance(value, str):
            say(f"{path}: {error}")
        elif word == "numeric":
            say(f"{path}: expected numeric (int or float), got {_go_type(value)}")
        elif word == "boolean":
            say(f"{path}: expected boolean, got &{{{_shown(value)}}}")
        else:
            say(f"{path}: expected string, got &value.valueUnstructured{{Value:{_shown(value)}}}")
    return value


def _go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "int64" if isinstance(value, int) else "float64"
    if isinstance(value, str):
        return "string"
    return "map[string]interface {}" if isinstance(value, dict) else "[]interface {}"


def _shown(value: Any) -> str:
    """Roughly as Go prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_shown(item)}" for key, item in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(_shown(item) for item in value) + "]"
    return str(value)
