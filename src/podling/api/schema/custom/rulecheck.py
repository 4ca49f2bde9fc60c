"""Whether the rules of a schema may stand there, in upstream's words: they compile, and will not cost too much.

What a rule may cost is estimated from the bounds of the schema around it, at worst: a rule in the items of a list runs
as often as the list may be long. Both one rule and all of a schema together have a limit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from podling.api import cel
from podling.api.cel.names import escape
from podling.api.cel.types import CelType
from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.schema.custom.celtypes import LONGEST, cel_type
from podling.api.schema.custom.jsonpath import BadPath, keys_of
from podling.api.schema.custom.rulemessages import REASONS
from podling.api.schema.custom.rules import ABSENT, compile_rules, examine, variables_of

Schema = Mapping[str, Any]

RULES: Final = "x-kubernetes-validations"
PER_RULE: Final = 10_000_000
"""Units one rule may cost at worst, wherever it stands."""
PER_SCHEMA: Final = 100_000_000
_ADVICE: Final = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the schema: its path, how many values of it one object may hold, and whether each has its old one."""

    path: str
    count: int = 1
    lost: str = ""
    """The path of the list whose items nothing tells apart; empty where old and new correspond."""


@dataclass(slots=True)
class Bill:
    """What all rules of a schema may cost, and the dearest of them."""

    total: int = 0
    items: list[tuple[int, str]] = field(default_factory=list)


def rule_causes(schema: Schema, path: str) -> list[Cause]:
    """Everything wrong with the rules of a version's schema; `path` is that of the schema."""
    bill = Bill()
    out = list(_node(schema, cel_type(schema, root=True), Place(path), cel.Environments(), bill))
    out += _total(bill, path)
    return out or list(_defaults(schema, path))


def _defaults(schema: Schema, path: str) -> Iterator[Cause]:
    """A default has to keep the rules, for nobody else would look at it."""
    if schema.get("default") is not None and (rules := compile_rules(schema, root=False)):
        for found in examine(rules, schema["default"], ABSENT, cel.Budget()):
            below = "" if found.cause.field == "<nil>" else f".{found.cause.field}"
            yield Cause(found.cause.reason, found.cause.message, f"{path}.default{below}")
    for name, each in (schema.get("properties") or {}).items():
        yield from _defaults(each, f"{path}.properties[{name}]")
    for name in ("additionalProperties", "items"):
        if isinstance(schema.get(name), Mapping):
            yield from _defaults(schema[name], f"{path}.{name}")


def _node(
    schema: Schema, type_: CelType | None, place: Place, environments: cel.Environments, bill: Bill
) -> Iterator[Cause]:
    for index, rule in enumerate(schema.get(RULES) or ()):
        here = replace(place, path=f"{place.path}.{RULES}[{index}]")
        yield from _rule(rule, schema, type_, here, environments, bill)
    lost = place.lost or (place.path if schema.get("x-kubernetes-map-type") == "atomic" else "")
    for name, each in (schema.get("properties") or {}).items():
        inner = (type_.fields or {}).get(escape(name) or "") if type_ is not None else None
        below = replace(place, path=f"{place.path}.properties[{name}]", lost=lost)
        yield from _node(each, inner, below, environments, bill)
    rest, items = schema.get("additionalProperties"), schema.get("items")
    if isinstance(rest, Mapping):
        count = place.count * _most(type_)
        below = replace(place, path=f"{place.path}.additionalProperties", count=count, lost=lost)
        yield from _node(rest, _param(type_, 1), below, environments, bill)
    if isinstance(items, Mapping):
        below = replace(place, path=f"{place.path}.items", count=place.count * _most(type_))
        if schema.get("x-kubernetes-list-type") != "map" and not place.lost:
            below = replace(below, lost=below.path)
        yield from _node(items, _param(type_, 0), below, environments, bill)


def _param(type_: CelType | None, index: int) -> CelType | None:
    return type_.params[index] if type_ is not None and len(type_.params) > index else None


def _most(type_: CelType | None) -> int:
    return type_.limit if type_ is not None and type_.limit is not None else LONGEST


def _rule(
    rule: Schema, schema: Schema, type_: CelType | None, place: Place, environments: cel.Environments, bill: Bill
) -> Iterator[Cause]:
    yield from _words(rule, schema, place.path)
    text = (rule.get("rule") or "").strip()
    if not text or type_ is None:
        return
    optional = bool(rule.get("optionalOldSelf"))
    compiler = environments.over(variables_of(type_, optional=optional))
    try:
        program = compiler.compile(rule["rule"])
    except cel.CelSyntaxError as error:
        yield _wrong(f"{place.path}.rule", rule, error.message)
    else:
        yield from _program(rule, program, type_, place, bill)
    yield from _message_expression(rule, compiler, type_, place, bill)


def _wrong(path: str, rule: Schema, text: str) -> Cause:
    """Upstream shows the whole rule as the wrong value, in Go's notation."""
    texts = ("rule", "message", "messageExpression", "fieldPath")
    said = {name: json.dumps(rule.get(name) or "", ensure_ascii=False) for name in texts}
    reason = f"(*apiextensions.FieldValueErrorReason)({_pointer(rule.get('reason'))})"
    optional = f"(*bool)({_pointer(rule.get('optionalOldSelf'))})"
    shown = (
        f"apiextensions.ValidationRule{{Rule:{said['rule']}, Message:{said['message']}, "
        f"MessageExpression:{said['messageExpression']}, Reason:{reason}, FieldPath:{said['fieldPath']}, "
        f"OptionalOldSelf:{optional}}}"
    )
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {text}", path)


def _pointer(value: Any) -> str:
    """Where something is set, Go shows its address, which means nothing to anybody."""
    return "nil" if value is None else "0x1"


def _words(rule: Schema, schema: Schema, path: str) -> Iterator[Cause]:
    """What does not need the expression to be understood."""
    text, message = rule.get("rule") or "", rule.get("message") or ""
    if not text.strip():
        yield causes.required(f"{path}.rule", "rule is not specified")
    if message and not message.strip():
        yield causes.invalid(f"{path}.message", message, "message must be non-empty if specified")
    elif "\n" in message.strip():
        yield causes.invalid(f"{path}.message", message, "message must not contain line breaks")
    elif "\n" in text.strip() and not message.strip():
        yield causes.required(f"{path}.message", "message must be specified if rule contains line breaks")
    expression = rule.get("messageExpression")
    if expression is not None and not expression.strip():
        yield causes.required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.get("reason") is not None and rule["reason"] not in REASONS:
        yield causes.unsupported(f"{path}.reason", rule["reason"], REASONS)
    if below := rule.get("fieldPath"):
        yield from _field_path(below, schema, path)


def _field_path(below: str, schema: Schema, path: str) -> Iterator[Cause]:
    if not below.strip() or "\n" in below:
        yield causes.invalid(f"{path}.fieldPath", below, "fieldPath must not contain line breaks")
        return
    if text := _misled(below, schema):
        yield causes.invalid(f"{path}.fieldPath", below, f"fieldPath must be a valid path: {text}")


def _misled(below: str, schema: Schema) -> str:
    """Why a path leads nowhere in the schema; empty where it does not."""
    try:
        keys = keys_of(below)
    except BadPath as error:
        return str(error)
    here: Any = schema
    for key in keys:
        if isinstance(key, int):
            return f"expected single quoted string but got {key}"
        here = (here.get("properties") or {}).get(key, here.get("additionalProperties"))
        if not isinstance(here, Mapping):
            return "does not refer to a valid field"
    return ""


def _program(rule: Schema, program: cel.Program, type_: CelType, place: Place, bill: Bill) -> Iterator[Cause]:
    if program.result.name not in ("bool", "dyn"):
        yield _wrong(f"{place.path}.rule", rule, "cel expression must evaluate to a bool")
        return
    transition = program.names("oldSelf")
    if transition and place.lost:
        text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.lost}"
        yield causes.invalid(f"{place.path}.rule", rule["rule"], text)
    if rule.get("optionalOldSelf") is not None and not transition:
        text = "may not be set if oldSelf is not used in rule"
        yield causes.invalid(f"{place.path}.optionalOldSelf", rule["optionalOldSelf"], text)
    yield from _cost(program, type_, f"{place.path}.rule", place, bill, "rule")


def _message_expression(
    rule: Schema, compiler: cel.Compiler, type_: CelType, place: Place, bill: Bill
) -> Iterator[Cause]:
    expression = rule.get("messageExpression") or ""
    if not expression.strip():
        return
    path = f"{place.path}.messageExpression"
    try:
        program = compiler.compile(expression)
    except cel.CelSyntaxError as error:
        yield _wrong(path, rule, f"messageExpression {error.message}")
        return
    if program.result.name not in ("string", "dyn"):
        yield _wrong(path, rule, "messageExpression must evaluate to a string")
        return
    yield from _cost(program, type_, path, place, bill, "messageExpression")


def _cost(program: cel.Program, type_: CelType, path: str, place: Place, bill: Bill, what: str) -> Iterator[Cause]:
    from podling.api.cel.estimate import Estimator

    cost = Estimator(program.checked, {"self": type_, "oldSelf": type_}).most() * place.count
    bill.total += cost
    bill.items.append((cost, path))
    if cost > PER_RULE:
        yield causes.forbidden(
            path, f"estimated {what} cost exceeds budget by factor of {_factor(cost, PER_RULE)} {_ADVICE}"
        )


def _factor(cost: int, limit: int) -> str:
    factor = cost / limit
    return "more than 100x" if factor > 100 else f"{factor:.1f}x"


def _total(bill: Bill, path: str) -> Iterator[Cause]:
    if bill.total <= PER_SCHEMA:
        return
    text = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
    for _, where in sorted(bill.items, reverse=True)[:4]:
        yield causes.forbidden(where, text)
    factor = _factor(bill.total, PER_SCHEMA)
    text = f"{RULES} estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of {factor}"
    yield causes.forbidden(path, f"{text} {_ADVICE}")
