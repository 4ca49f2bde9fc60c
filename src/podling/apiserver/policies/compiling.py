"""Expressions of policies and match conditions, compiled when they are first needed.

They were checked with exact types when they were stored; here variables are of any type, so that all expressions of
all policies share a few environments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podling.api import cel
from podling.api.cel import CelSyntaxError, Compiler, Program
from podling.api.kinds.admissionregistration.expressions import environment

Compiled = Program | CelSyntaxError
"""An expression that does not compile fails where it is evaluated, as the failure policy says."""


class Compilers:
    """One compiler for each set of variables."""

    def __init__(self) -> None:
        self._made: dict[tuple[bool, bool, bool], Compiler] = {}

    def compile(
        self, expression: str, *, params: bool = False, authorizer: bool = True, variables: bool = False
    ) -> Compiled:
        way = (params, authorizer, variables)
        compiler = self._made.get(way)
        if compiler is None:
            known = environment(params=params, authorizer=authorizer)
            if variables:
                known["variables"] = cel.DYN
            compiler = self._made[way] = Compiler(known)
        try:
            return compiler.compile(expression.strip())
        except CelSyntaxError as error:
            return error


def evaluated(program: Compiled, values: Mapping[str, Any], budget: cel.Budget) -> Any:
    """Raises CelError."""
    if isinstance(program, CelSyntaxError):
        raise cel.CelEvaluationError(f"compilation error: {program.message}")
    return program.evaluate(values, budget)
