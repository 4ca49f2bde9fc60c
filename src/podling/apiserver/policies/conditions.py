"""matchConditions, of policies and of webhooks: all have to hold; one that does not is a no without more ado.

Where none says no but some fail, the failure policy decides (KEP-3716).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from podling.api.cel import PER_MATCH, CelBudgetExceeded, CelEvaluationError
from podling.apiserver.policies.compiling import Compiled, Compilers, evaluated
from podling.apiserver.policies.sparing import Limits


class Condition(NamedTuple):
    name: str
    expression: str
    program: Compiled


def conditions_of(
    said: Iterable[Mapping[str, str]], compilers: Compilers, *, params: bool = False
) -> tuple[Condition, ...]:
    pairs = [(each.get("name", ""), each.get("expression", "")) for each in said]
    return tuple(Condition(name, text, compilers.compile(text, params=params)) for name, text in pairs)


class ConditionsFailed(Exception):
    """Whether they hold could not be found out; the text says why."""


def hold(conditions: Sequence[Condition], values: Mapping[str, Any], limits: Limits, *, ignores_failure: bool) -> bool:
    """Raises ConditionsFailed where that is not to be ignored, Overlong."""
    budget = limits.budget(PER_MATCH)
    failed: list[str] = []
    for each in conditions:
        try:
            if evaluated(each.program, values, budget) is not True:
                return False
        except CelBudgetExceeded as error:
            limits.exhausted(error)
            failed.append(
                "validation failed due to running out of cost budget, no further validation rules will be run"
            )
            break
        except CelEvaluationError as error:
            failed.append(f"expression '{each.expression}' resulted in error: {error.message}")
    if not failed:
        return True
    if ignores_failure:
        return False
    raise ConditionsFailed(failed[0] if len(failed) == 1 else f"[{', '.join(failed)}]")
