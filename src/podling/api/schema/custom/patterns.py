"""`pattern` of a schema: a regular expression as Go has them, over values that anybody may send.

Python's `re` goes back and forth, and nested or many repetitions keep it at that for longer than the universe lasts.
What cannot do so here is matched by it, for it is quick; everything else by RE2 (`api/cel/patterns.py`), which reads a
text once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any, Final

from podling.api.cel import CelEvaluationError
from podling.api.cel.patterns import matches

SHORT: Final = 128
"""Characters up to which a pattern with few repetitions is harmless."""
FEW: Final = 2
_REPEATS: Final = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text has a match anywhere. Raises re.error for what is no pattern."""
    compiled = go_pattern(pattern)
    tame = _tame(compiled.pattern)

    def match(text: str) -> bool:
        if tame and len(text) <= SHORT:
            return compiled.search(text) is not None
        try:
            return matches(text, pattern)
        except CelEvaluationError:
            return compiled.search(text) is not None  # what only Python takes for a pattern

    return match


def go_pattern(pattern: str) -> re.Pattern[str]:
    """A pattern of Go's regexp as Python's: `$` is the end of the text there, `\\z` too. Raises re.error."""
    text = re.sub(r"(?<!\\)((?:\\\\)*)\$", r"\1\\Z", pattern.replace(r"\z", r"\Z"))
    text = re.sub(r"\[([^\]]*)\\Z([^\]]*)\]", r"[\1$\2]", text)
    return re.compile(text.replace("[[:alnum:]]", "[0-9A-Za-z]").replace("[[:alpha:]]", "[A-Za-z]"))


def _tame(pattern: str) -> bool:
    """Whether the longest way through the pattern is short for short texts: few repetitions, none inside of another."""
    return 0 <= _repeats(_parser.parse(pattern), inside=False) <= FEW


def _repeats(nodes: Any, *, inside: bool) -> int:
    """The unbounded repetitions; a large negative number where one is inside of another or there are backreferences."""
    count = 0
    for kind, value in nodes:
        if kind in _REPEATS:
            _, most, inner = value
            endless = most == _constants.MAXREPEAT or most > FEW
            if endless and inside:
                return -1000
            count += endless
            count += _repeats(inner, inside=inside or endless)
        elif kind is _constants.SUBPATTERN:
            count += _repeats(value[-1], inside=inside)
        elif kind is _constants.BRANCH:
            count += sum(_repeats(each, inside=inside) for each in value[1]) + 1
        elif kind not in _PLAIN:
            return -1000
    return count


_PLAIN: Final = (
    _constants.LITERAL,
    _constants.NOT_LITERAL,
    _constants.IN,
    _constants.ANY,
    _constants.AT,
    _constants.CATEGORY,
    _constants.RANGE,
)
