"""What a broken rule says, in upstream's words: its messageExpression, its message, or itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from podling.api import cel
from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.schema.custom.jsonpath import BadPath, keys_of
from podling.api.schema.types import Path

Schema = Mapping[str, Any]
LONGEST: Final = 5 * 1024
REASONS: Final = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


def field_path(path: Path) -> str:
    """`spec.parts[0].labels[app]`."""
    out: list[str] = []
    while path:
        path, key, kind = path
        out.append(f"[{key}]" if key.__class__ is int or kind == "key" else f".{key}")
    return "".join(reversed(out)).removeprefix(".")


@dataclass(frozen=True, slots=True)
class Said:
    """The words of one rule. `below` leads from the rule's place to the field it complains about."""

    rule: str
    message: str
    expression: cel.Program | None
    reason: str
    below: tuple[Any, ...]

    @property
    def _named(self) -> str:
        return self.message or self.rule

    def failed(self, error: cel.CelEvaluationError) -> str:
        """For a rule that could not be evaluated."""
        if error.message.startswith("no such overload"):
            text = "call arguments did not match a supported operator, function or macro signature for rule"
            return f"'{error.message}': {text}: {self._named}"
        return f"{error.message} evaluating rule: {self._named}"

    def costly(self, error: cel.CelBudgetExceeded) -> str:
        text = "no further validation rules will be run due to call cost exceeds limit for rule"
        return f"'{error.message}': {text}: {self._named}"

    def costly_message(self) -> str:
        """For a messageExpression that cost too much."""
        said = json.dumps(self.expression.expression if self.expression is not None else "", ensure_ascii=False)
        return f"no further validation rules will be run due to call cost exceeds limit for messageExpression: {said}"

    def broken(
        self, type_: str, value: Any, path: Path, values: Mapping[str, Any], budget: cel.Budget
    ) -> tuple[Path, Cause]:
        """For a rule that does not hold for a value; only scalars are shown. Raises CelBudgetExceeded."""
        for key in self.below:
            path = (path, key, "")
        text = self._evaluated(values, budget) or self.message or f"failed rule: {self.rule}"
        where = field_path(path) or "<nil>"
        if self.reason == "FieldValueForbidden":
            return path, causes.forbidden(where, text)
        if self.reason == "FieldValueRequired":
            return path, causes.required(where, text)
        whole = type_ in ("object", "array")
        if self.reason == "FieldValueDuplicate":
            return path, Cause(self.reason, "Duplicate value", where) if whole else causes.duplicate(where, value)
        if whole:
            return path, Cause("FieldValueInvalid", f"Invalid value: {text}", where)
        return path, causes.invalid(where, value, text)

    def _evaluated(self, values: Mapping[str, Any], budget: cel.Budget) -> str:
        """The messageExpression's text; empty where it fails or says nothing that fits on one line."""
        if self.expression is None:
            return ""
        try:
            text = self.expression.evaluate(values, budget)
        except cel.CelEvaluationError:
            return ""
        good = isinstance(text, str) and text.strip() and "\n" not in text and len(text.encode()) <= LONGEST
        return text.strip() if good else ""


def said(rule: Schema, compiler: cel.Compiler) -> Said:
    """Raises CelSyntaxError."""
    expression = compiler.compile(rule["messageExpression"]) if rule.get("messageExpression") else None
    try:
        below = keys_of(rule["fieldPath"]) if rule.get("fieldPath") else ()
    except BadPath:
        below = ()
    return Said(
        (rule.get("rule") or "").strip(),
        (rule.get("message") or "").strip(),
        expression,
        rule.get("reason") or "FieldValueInvalid",
        below,
    )
