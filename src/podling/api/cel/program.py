"""An expression, compiled once and evaluated often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podling.api.cel.budget import Budget
from podling.api.cel.checkedexpr import Checked
from podling.api.cel.environment import Environment
from podling.api.cel.errors import CelEvaluationError, CelSyntaxError
from podling.api.cel.evaluator import UNSET, Evaluator
from podling.api.cel.library import BY_NAME
from podling.api.cel.types import CelType


class Program:
    """See `podling.api.cel`."""

    def __init__(self, expression: str, variables: tuple[str, ...], checked: Checked) -> None:
        self.expression, self.checked = expression, checked
        self._variables = variables
        try:
            evaluator = Evaluator(checked, variables, BY_NAME)
        except RecursionError:
            raise CelSyntaxError("compilation failed: expression is nested too deeply") from None
        self._run, self._size = evaluator.run, evaluator.size

    @property
    def result(self) -> CelType:
        """The type of what it evaluates to, `dyn` where only evaluation tells."""
        return self.checked.result

    def evaluate(self, values: Mapping[str, Any], budget: Budget) -> Any:
        """Raises CelEvaluationError, CelBudgetExceeded."""
        meter = budget.begin()
        frame: list[Any] = [meter, *[values.get(name, UNSET) for name in self._variables]]
        frame += [UNSET] * (self._size - len(frame))
        try:
            return self._run(frame)
        except RecursionError:
            raise CelEvaluationError("expression is nested too deeply") from None
        finally:
            budget.settle(meter)


class Compiler:
    """Compiles expressions over the same variables."""

    def __init__(self, variables: Mapping[str, CelType]) -> None:
        self._environment, self._names = Environment(variables), tuple(variables)

    def compile(self, expression: str) -> Program:
        """Raises CelSyntaxError."""
        return Program(expression, self._names, self._environment.check(expression))
