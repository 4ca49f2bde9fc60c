"""Kubernetes' expression language: rules of custom resources, admission policies, match conditions.

Parsing and checking are the library's (cel-expr-python), evaluation is ours: an evaluator that counts what it spends
can be stopped, and here it must be. What others call:

- `compile(expression: str, variables: Mapping[str, CelType], *, result: CelType | None = None) -> Program` parses and
  type-checks; raises `CelSyntaxError(message)`, the message as upstream shows it (`compilation failed: ERROR:
  <input>:1:5: undeclared reference to ...`). With `result` the expression has to be of that type (`BOOL`, `STRING`) or
  `dyn`, else the message is `must evaluate to bool`. `Compiler(variables).compile(expression)` is cheaper for many
  expressions over the same variables.
- Types: `DYN BOOL INT UINT DOUBLE STRING BYTES TIMESTAMP DURATION NULL AUTHORIZER RESOURCE_CHECK`, `list_of(t)`,
  `map_of(key, value)`, `optional_of(t)`, `struct(name, fields)`. Variables that hold objects (`object`, `oldObject`,
  `params`, `variables`, `request`, `namespaceObject`) may simply be `DYN`; a `struct` names the fields there are, so
  that others are refused when compiling: `variables` is `struct("Variables", {name: type})`, and the type of each is
  the `Program.result` of its expression. Fields of a struct are escaped names (`names.escape`).
- `Program.evaluate(values: Mapping[str, Any], budget: Budget) -> Any`: values are plain JSON (dict, list, str, int,
  float, bool, None). Any `Mapping` will do for a map, so one whose `__getitem__` evaluates makes lazy variables (raise
  `KeyError` for what is absent, let each `CelError` through). The result is plain as well, but for `Timestamp`,
  `Duration`, `Optional`, `Uint` (an int) and the values of Kubernetes' libraries. Raises `CelEvaluationError(message)`
  (a missing key, an overflow, a type) and `CelBudgetExceeded(message)`. A declared variable that `values` has not is an
  error only where it is reached.
- `Program.result` is the static type, `Program.expression` the text. Programs hold no state.
- `Budget(total=PER_VALIDATION, call=PER_CALL)` bounds all evaluations it is handed to, and each by itself; `PER_MATCH`
  is the total for match conditions. `Budget.spent` tells the units used so far.
- `Authorizer(decide)` is the value of a variable of type `AUTHORIZER`; `decide(check: Check) -> Decision` is called for
  each `check(verb)`. `Authorizer.resource_check(group, resource, subresource, namespace, name)` is the value of
  `authorizer.requestResource`, a variable of type `RESOURCE_CHECK` that is declared under that dotted name.
"""

from __future__ import annotations

from collections.abc import Mapping

from podling.api.cel.budget import PER_CALL, PER_MATCH, PER_VALIDATION, Budget
from podling.api.cel.errors import CelBudgetExceeded, CelError, CelEvaluationError, CelSyntaxError
from podling.api.cel.functions.authorization import Authorizer, Check, Decision
from podling.api.cel.program import Compiler, Environments, Program
from podling.api.cel.types import (
    AUTHORIZER,
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    RESOURCE_CHECK,
    STRING,
    TIMESTAMP,
    UINT,
    CelType,
    list_of,
    map_of,
    optional_of,
    struct,
)
from podling.api.cel.values import Duration, Optional, Timestamp, Uint


def compile(expression: str, variables: Mapping[str, CelType], *, result: CelType | None = None) -> Program:
    """Raises CelSyntaxError."""
    program = Compiler(variables).compile(expression)
    if result is not None and program.result.name not in (result.name, "dyn"):
        raise CelSyntaxError(f"must evaluate to {result.name}")
    return program


__all__ = [
    "AUTHORIZER",
    "BOOL",
    "BYTES",
    "DOUBLE",
    "DURATION",
    "DYN",
    "INT",
    "NULL",
    "PER_CALL",
    "PER_MATCH",
    "PER_VALIDATION",
    "RESOURCE_CHECK",
    "STRING",
    "TIMESTAMP",
    "UINT",
    "Authorizer",
    "Budget",
    "CelBudgetExceeded",
    "CelError",
    "CelEvaluationError",
    "CelSyntaxError",
    "CelType",
    "Check",
    "Compiler",
    "Decision",
    "Duration",
    "Environments",
    "Optional",
    "Program",
    "Timestamp",
    "Uint",
    "compile",
    "list_of",
    "map_of",
    "optional_of",
    "struct",
]
