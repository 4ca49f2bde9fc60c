"""The pytest plugin: fixtures that give each test an API server or a cluster of its own.

Loaded by pytest in every project Podling is installed in (entry point `pytest11`), so it imports nothing but pytest
until a test asks for a fixture. The fixtures are synchronous: they serve both a plain test with a blocking client and
an `async def` test, whichever plugin runs that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from podling.testing import ApiServer, Cluster


@pytest.fixture
def podling_api() -> Iterator[ApiServer]:
    """An empty API server of this test's own, without controllers and nodes."""
    from podling.testing import ApiServer

    with ApiServer() as api:
        yield api


@pytest.fixture
def podling_cluster() -> Iterator[Cluster]:
    """A cluster of this test's own: all controllers, the scheduler and one simulated node."""
    from podling.testing import Cluster

    with Cluster() as cluster:
        yield cluster
