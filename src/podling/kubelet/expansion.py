"""`$(NAME)` in command, args, environment and subPathExpr.

The rules are upstream's: an unknown name stays as it is written, `$$` is a dollar sign, anything else after a dollar is
left alone. (Kubernetes documentation, "Define Dependent Environment Variables".)
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """The text with every known reference replaced."""
    if "$" not in text:
        return text

    def one(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return variables.get(match[2], match[0])

    return _REFERENCE.sub(one, text)


def unknown(text: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    """The names a text refers to that nobody defined (an error in subPathExpr)."""
    return tuple(m[2] for m in _REFERENCE.finditer(text) if m[1] != "$" and m[2] not in variables)
