"""Regular expressions as RE2 has them, which Go's are: matched in linear time, whatever the pattern.

Python's own `re` goes back and forth over what it matched, and a pattern of a user may keep it doing so for ever. The
library is Google's, as the one that checks expressions; it is imported when the first pattern is met.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from podling.api.cel.errors import CelEvaluationError


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else b""
        why = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise CelEvaluationError(f"error parsing regexp: {why}") from None


def matches(text: str, pattern: str) -> bool:
    """Whether the pattern is found somewhere. Raises CelEvaluationError for a pattern that is none."""
    return _compiled(pattern).search(text) is not None


def find(text: str, pattern: str) -> str:
    """The first match, empty without."""
    found = _compiled(pattern).search(text)
    return str(found.group()) if found is not None else ""


def find_all(text: str, pattern: str) -> list[str]:
    """All matches that do not overlap, in order."""
    return [str(each.group()) for each in _compiled(pattern).finditer(text)]
