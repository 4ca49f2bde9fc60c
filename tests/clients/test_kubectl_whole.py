"""Behind all others: no subcommand of kubectl that talks to the API is left out."""

from __future__ import annotations

import pytest

from tests.clients.kubectl import subcommands


def test_every_subcommand_that_talks_to_the_api_was_seen_to_work(seen: set[str]) -> None:
    if not {"drain", "explain", "edit"} <= seen:
        pytest.skip("only a part of the tests of kubectl was run")
    wanted = subcommands()
    assert len(wanted) > 70
    assert wanted - seen == set()
