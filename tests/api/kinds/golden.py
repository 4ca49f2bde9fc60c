"""Golden texts: what is text is compared as text, and reviewed as a diff.

`GOLDEN=write pytest tests/api` writes them anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent


def check(name: str, lines: Iterable[str]) -> None:
    """The lines must equal `golden/<name>.txt`."""
    path = HERE / "golden" / f"{name}.txt"
    text = "\n".join(lines) + "\n"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()
