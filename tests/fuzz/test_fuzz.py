"""A bounded share of the fuzzing, for every run of the tests; `make fuzz` sends a million."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.generating import Sent, request
from tests.fuzz.serving import Fuzzed, wrong


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def fuzzed(loop: asyncio.AbstractEventLoop) -> Iterator[Fuzzed]:
    server = Fuzzed()
    loop.run_until_complete(server.start())
    yield server
    loop.run_until_complete(server.stop())


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=True))
def test_no_request_is_answered_with_500_and_none_hangs(
    loop: asyncio.AbstractEventLoop, fuzzed: Fuzzed, random: Random
) -> None:
    batch = [request(random) for _ in range(40)]
    assert not loop.run_until_complete(fuzzed.all(batch))


SENT = Sent("GET", "/api/v1/pods", (), b"")


def test_the_fuzzer_tells_a_500_and_an_error_that_is_no_status() -> None:
    status = b'{"kind":"Status","status":"Failure","code":%d,"message":"m","reason":"r"}'
    assert wrong(SENT, 500, status % 500)
    assert wrong(SENT, 404, b"404 page not found")
    assert wrong(SENT, 404, status % 400)
    assert not wrong(SENT, 404, status % 404) and not wrong(SENT, 200, b"{}")
