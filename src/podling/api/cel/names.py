"""Names of fields that are no identifiers of CEL, and how expressions write them.

The table is the documentation's ("Validation rules", escaping): `__dot__`, `__dash__`, `__slash__`, `__underscores__`
and the reserved words, which may also be written as they are behind a dot since Kubernetes 1.32.
"""

from __future__ import annotations

import re
from typing import Final

_WORDS: Final = (
    "true false null in as break const continue else for function if import let loop package namespace return "
    "var void while"
)
RESERVED: Final = frozenset(_WORDS.split(" "))
_SIGNS: Final = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_UNSIGNS: Final = {text: sign for sign, text in _SIGNS.items()}
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_./-]*")


def escape(name: str) -> str | None:
    """As expressions write it; None where they cannot."""
    if name in RESERVED:
        return f"__{name}__"
    if _NAME.fullmatch(name) is None:
        return None
    return re.sub(r"__|[./-]", lambda match: _SIGNS[match[0]], name)


def unescape(name: str) -> str:
    if "__" not in name:
        return name
    if name.startswith("__") and name.endswith("__") and name[2:-2] in RESERVED:
        return name[2:-2]
    return re.sub(r"__(?:underscores|dot|dash|slash)__", lambda match: _UNSIGNS[match[0]], name)
