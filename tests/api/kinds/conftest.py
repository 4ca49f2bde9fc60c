"""Validation is tested as it runs in a thread of the server, where it may take its time to compile expressions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from podling.api.schema.custom import BESIDE


@pytest.fixture(autouse=True)
def beside_the_loop() -> Iterator[None]:
    token = BESIDE.set(True)
    yield
    BESIDE.reset(token)
