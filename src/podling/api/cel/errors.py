"""What can go wrong with an expression: it is none, it fails on these values, or it costs too much.

The three are apart because whoever asks treats them apart: the first refuses the object that holds the expression, the
second fails one evaluation (`||` and `&&` may still decide without it), the third ends all evaluations of a request.
"""

from __future__ import annotations


class CelError(Exception):
    """Any of the three; `message` is for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class CelSyntaxError(CelError):
    """The text does not parse or does not type-check: `compilation failed: ERROR: <input>:1:5: ...`."""


class CelEvaluationError(CelError):
    """These values make the expression fail: `no such key: a`."""


class CelBudgetExceeded(CelError):
    """The expression was stopped: it cost more than it may."""
