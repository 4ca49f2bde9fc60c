"""`x-kubernetes-validations` of a schema, evaluated over values (KEP-2876, KEP-4008).

A schema's rules become a tree that has only the nodes with rules at or below them. Walking an object and the old one
side by side, each rule sees its node as `self` and what stood there as `oldSelf`; a rule that names `oldSelf` waits for
an update that has one. What is broken and was the same before does not refuse the update but is said in a Warning.

Everything is bounded by one budget. On the loop that budget is small, so that nobody waits; who needs more gets
`Overlong` and does the same elsewhere with the full one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from podling.api import cel
from podling.api.cel.names import escape
from podling.api.cel.types import CelType
from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.schema.custom.celtypes import cel_type
from podling.api.schema.custom.rulemessages import Said, field_path, said
from podling.api.schema.custom.values import Finding
from podling.api.schema.types import Path

Schema = Mapping[str, Any]

ABSENT: Final = object()
"""There is no old value: it is new, or nothing tells which one it was."""
ON_THE_LOOP: Final = 20_000
"""Units that may be spent while everybody else waits: a few milliseconds."""
BLOCKING: Final = frozenset({"FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"})
UNCHECKED: Final = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)
RATCHETED: Final = "Ratcheted"
"""The reason of a cause that refuses nothing and is said in a Warning."""
SPENT: Final = (
    "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run"
)
EXHAUSTED: Final = "validation failed due to running out of cost budget, no further validation rules will be run"


BESIDE: Final = ContextVar("beside the loop", default=False)
"""Whether this validation runs in a thread, where it may take its time."""


class Overlong(Exception):
    """This would take longer than the loop can wait: validate once more with `BESIDE` set, in some thread."""


class Exhausted(Exception):
    """The budget of the whole validation is used up."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, compiled."""

    program: cel.Program
    message: Said
    transition: bool
    """Names oldSelf."""
    optional: bool
    """oldSelf is an optional, and the rule is evaluated without one as well."""


@dataclass(frozen=True, slots=True)
class Node:
    """A place of the schema. `type` is what messages call its values."""

    type: str
    rules: tuple[Rule, ...] = ()
    fields: Mapping[str, Node] = field(default_factory=dict)
    values: Node | None = None
    items: Node | None = None
    keys: tuple[str, ...] = ()
    """Of a list: the map keys by which its items are told apart."""
    atomic: bool = False
    """Of an object: it is replaced as a whole, so what is in it corresponds to nothing."""


def compile_rules(schema: Schema, *, root: bool = True) -> Node | None:
    """The rules of a version's schema, or of a part of it, None where it has none.

    A rule that does not compile has been refused when the CRD was written, and is left out.
    """
    return _node(schema, cel_type(schema, root=root), cel.Environments())


def _node(schema: Schema, type_: CelType | None, environments: cel.Environments) -> Node | None:
    fields: dict[str, Node] = {}
    for name, each in (schema.get("properties") or {}).items():
        if node := _node(each, _field(type_, name), environments):
            fields[name] = node
    rest, inner = schema.get("additionalProperties"), schema.get("items")
    values = _node(rest, _param(type_, 1), environments) if isinstance(rest, Mapping) else None
    items = _node(inner, _param(type_, 0), environments) if isinstance(inner, Mapping) else None
    rules = tuple(
        rule for each in schema.get("x-kubernetes-validations") or () if (rule := _rule(each, type_, environments))
    )
    if not (rules or fields or values or items):
        return None
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    atomic = schema.get("x-kubernetes-map-type") == "atomic"
    return Node(str(schema.get("type") or ""), rules, fields, values, items, keys, atomic)


def _field(type_: CelType | None, name: str) -> CelType | None:
    return (type_.fields or {}).get(escape(name) or "") if type_ is not None else None


def _param(type_: CelType | None, index: int) -> CelType | None:
    return type_.params[index] if type_ is not None and len(type_.params) > index else None


def variables_of(type_: CelType, *, optional: bool) -> dict[str, CelType]:
    """What a rule at a place of this type may name."""
    return {"self": type_, "oldSelf": cel.optional_of(type_) if optional else type_}


def _rule(rule: Schema, type_: CelType | None, environments: cel.Environments) -> Rule | None:
    if type_ is None:
        return None
    optional = bool(rule.get("optionalOldSelf"))
    compiler = environments.over(variables_of(type_, optional=optional))
    try:
        program = compiler.compile(rule.get("rule") or "")
        return Rule(program, said(rule, compiler), program.names("oldSelf"), optional)
    except cel.CelSyntaxError:
        return None


def examine(node: Node, new: Any, old: Any, budget: cel.Budget) -> list[Finding]:
    """What the rules say of a value. `old`: ABSENT on create. Raises Overlong where the budget is that of the loop."""
    walk = _Walk(budget)
    with suppress(Exhausted):
        walk.value(node, new, old, (), unchanged=old is not ABSENT and bool(new == old))
    return walk.found


class _Walk:
    def __init__(self, budget: cel.Budget) -> None:
        self._budget = budget
        self.found: list[Finding] = []

    def value(self, node: Node, new: Any, old: Any, path: Path, *, unchanged: bool) -> None:
        if new is None:
            return
        if node.rules:
            same = unchanged or (old is not ABSENT and bool(new == old))
            for rule in node.rules:
                self._look(rule, node, new, old, path, same)
        if new.__class__ is dict:
            self._object(node, new, old if old.__class__ is dict else ABSENT, path, unchanged)
        elif new.__class__ is list and node.items is not None:
            self._items(node, node.items, new, old if old.__class__ is list else ABSENT, path, unchanged)

    def _object(self, node: Node, new: dict[str, Any], old: Any, path: Path, unchanged: bool) -> None:
        before = {} if old is ABSENT or node.atomic else old
        for name, child in node.fields.items():
            if name in new:
                self.value(child, new[name], before.get(name, ABSENT), (path, name, ""), unchanged=unchanged)
        if node.values is not None:
            for name, item in new.items():
                self.value(node.values, item, before.get(name, ABSENT), (path, name, "key"), unchanged=unchanged)

    def _items(self, node: Node, items: Node, new: list[Any], old: Any, path: Path, unchanged: bool) -> None:
        earlier: dict[str, Any] = {}
        if node.keys and old is not ABSENT:
            earlier = {_identity(each, node.keys): each for each in old if each.__class__ is dict}
        for index, item in enumerate(new):
            before = ABSENT
            if node.keys and item.__class__ is dict:
                before = earlier.get(_identity(item, node.keys), ABSENT)
            self.value(items, item, before, (path, index, ""), unchanged=unchanged)

    def _look(self, rule: Rule, node: Node, new: Any, old: Any, path: Path, same: bool) -> None:
        if rule.transition and old is ABSENT and not rule.optional:
            return
        before = old
        if rule.optional:
            before = cel.Optional(old is not ABSENT, None if old is ABSENT else old)
        values = {"self": new, "oldSelf": before}
        try:
            if rule.program.evaluate(values, self._budget) is True:
                return
        except cel.CelBudgetExceeded as error:
            self._stop(node, path, EXHAUSTED if self._budget.left < 0 else rule.message.costly(error))
        except cel.CelEvaluationError as error:
            self._add(path, causes.invalid(field_path(path) or "<nil>", node.type, rule.message.failed(error)))
        else:
            self._broken(rule, node, new, path, values, ratcheted=same and not rule.transition)

    def _broken(
        self, rule: Rule, node: Node, new: Any, path: Path, values: Mapping[str, Any], *, ratcheted: bool
    ) -> None:
        try:
            where, cause = rule.message.broken(node.type, new, path, values, self._budget)
        except cel.CelBudgetExceeded:
            text = SPENT if self._budget.left < 0 else rule.message.costly_message()
            self._stop(node, path, text)
            return
        # What was wrong before and is left alone is a warning.
        self._add(where, Cause(RATCHETED, cause.message, cause.field) if ratcheted else cause)

    def _stop(self, node: Node, path: Path, text: str) -> None:
        if self._budget.total <= ON_THE_LOOP:
            raise Overlong
        self._add(path, causes.invalid(field_path(path) or "<nil>", node.type, text))
        raise Exhausted

    def _add(self, path: Path, cause: Cause) -> None:
        self.found.append(Finding(path, cause))


def judge(node: Node | None, found: list[Cause], new: Any, old: Any, budget: cel.Budget) -> list[Cause]:
    """What is wrong altogether: `found` is what the schema says. Raises Overlong as `examine`."""
    if node is None:
        return found
    if any(each.reason in BLOCKING for each in found):
        return [*found, causes.invalid("<nil>", None, UNCHECKED)]
    return [*found, *(each.cause for each in examine(node, new, old, budget))]


def _identity(item: Mapping[str, Any], keys: Iterable[str]) -> str:
    return repr([item.get(key) for key in keys])
