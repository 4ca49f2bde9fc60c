"""Every block of docs/extending.md is a test file of somebody else's project."""

from __future__ import annotations

import re
from pathlib import Path

from tests.testing.test_embedding_docs import run_pytest

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_blocks_of_the_page_pass(tmp_path: Path) -> None:
    assert len(BLOCKS) == 2
    for number, block in enumerate(BLOCKS):
        (tmp_path / f"test_block_{number}.py").write_text(block)
    assert "2 passed" in run_pytest(tmp_path)
