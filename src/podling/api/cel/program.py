"""An expression, compiled once and evaluated often.

What compiles and evaluates is imported by the first one who compiles: a server without expressions does not carry it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from podling.api.cel.budget import Budget
from podling.api.cel.errors import CelEvaluationError, CelSyntaxError
from podling.api.cel.types import CelType

if TYPE_CHECKING:
    from podling.api.cel.checkedexpr import Checked
    from podling.api.cel.environment import Structs


class Program:
    """See `podling.api.cel`."""

    def __init__(self, expression: str, variables: tuple[str, ...], checked: Checked) -> None:
        from podling.api.cel.evaluator import Evaluator
        from podling.api.cel.library import BY_NAME
        from podling.api.cel.steps import UNSET

        self.expression, self.checked = expression, checked
        self._variables, self._unset = variables, UNSET
        try:
            evaluator = Evaluator(checked, variables, BY_NAME)
        except RecursionError:
            raise CelSyntaxError("compilation failed: expression is nested too deeply") from None
        self._run, self._size = evaluator.run, evaluator.size

    @property
    def result(self) -> CelType:
        """The type of what it evaluates to, `dyn` where only evaluation tells."""
        return self.checked.result

    def names(self, variable: str) -> bool:
        """Whether the expression refers to a variable."""
        return variable in self.checked.names.values()

    def evaluate(self, values: Mapping[str, Any], budget: Budget) -> Any:
        """Raises CelEvaluationError, CelBudgetExceeded."""
        meter = budget.begin()
        unset = self._unset
        frame: list[Any] = [meter, *[values.get(name, unset) for name in self._variables]]
        frame += [unset] * (self._size - len(frame))
        try:
            return self._run(frame)
        except RecursionError:
            raise CelEvaluationError("expression is nested too deeply") from None
        except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError):
            # A function was given what none of its overloads takes: values are anybody's.
            raise CelEvaluationError("no such overload") from None
        finally:
            budget.settle(meter)


class Compiler:
    """Compiles expressions over the same variables."""

    def __init__(self, variables: Mapping[str, CelType], structs: Structs | None = None) -> None:
        from podling.api.cel.environment import Environment

        self._environment, self._names = Environment(variables, structs), tuple(variables)

    def compile(self, expression: str) -> Program:
        """Raises CelSyntaxError."""
        from podling.api.cel.literals import check_literals

        checked = self._environment.check(expression)
        check_literals(expression, checked)
        return Program(expression, self._names, checked)


class Environments:
    """Compilers over different variables that share their structs: the rules of one schema."""

    def __init__(self) -> None:
        from podling.api.cel.environment import Structs

        self._structs = Structs()
        self._compilers: dict[tuple[tuple[str, int, str], ...], tuple[Compiler, Mapping[str, CelType]]] = {}

    def over(self, variables: Mapping[str, CelType]) -> Compiler:
        key = tuple(
            (name, id(type_.params[0] if type_.params else type_), type_.name) for name, type_ in variables.items()
        )
        known = self._compilers.get(key)
        if known is None:
            # The types are kept as well, for their identities are the keys.
            known = self._compilers[key] = Compiler(variables, self._structs), variables
        return known[0]
