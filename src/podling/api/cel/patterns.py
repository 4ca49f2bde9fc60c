"""Regular expressions as RE2 has them, matched by the library: in linear time, whatever the pattern.

Python's own `re` goes back and forth over what it matched, and a pattern of a user may keep it doing so for ever.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from podling.api.cel.errors import CelEvaluationError


@lru_cache(maxsize=1)
def _env() -> Any:
    from cel_expr_python import cel

    config = {
        "extensions": [{"name": "regex"}, {"name": "optional"}],
        "variables": [{"name": "text", "type_name": "string"}],
    }
    return cel.NewEnv(config=cel.NewEnvConfigFromYaml(json.dumps(config)))


@lru_cache(maxsize=512)
def _program(function: str, pattern: str) -> Any:
    literal = json.dumps(pattern, ensure_ascii=False)
    return _env().compile(f"text.matches({literal})" if function == "matches" else f"regex.{function}(text, {literal})")


def _run(function: str, pattern: str, text: str) -> Any:
    try:
        value = _program(function, pattern).eval(data={"text": text})
        if value.type().name() == "ERROR":
            raise RuntimeError(str(value.value()))
        return value.plain_value()
    except (RuntimeError, ValueError) as error:
        raise CelEvaluationError(f"error parsing regexp: {pattern!r}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0].removeprefix("INVALID_ARGUMENT: ")[:200]


def matches(text: str, pattern: str) -> bool:
    """Whether the pattern is found somewhere. Raises CelEvaluationError for a pattern that is none."""
    return bool(_run("matches", pattern, text))


def find(text: str, pattern: str) -> str:
    """The first match, empty without."""
    found = find_all(text, pattern)
    return found[0] if found else ""


def find_all(text: str, pattern: str) -> list[str]:
    """All matches that do not overlap, in order."""
    return [str(each) for each in _run("extractAll", _without_groups(pattern), text)]


def _without_groups(pattern: str) -> str:
    """The library extracts groups where there are any; Kubernetes wants the whole match."""
    out, at, in_class = "", 0, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            out += pattern[at : at + 2]
            at += 2
            continue
        if in_class:
            in_class = char != "]" or pattern[at - 1] == "["
        elif char == "[":
            in_class = True
        elif char == "(" and pattern[at + 1 : at + 2] != "?":
            char = "(?:"
        elif char == "(" and pattern[at + 1 : at + 3] in ("?P", "?<"):
            end = pattern.find(">", at)
            char, at = "(?:", end if end > 0 else at
        out += char
        at += 1
    return out
