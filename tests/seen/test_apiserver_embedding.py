"""An in-process API ready in at most 100 ms, a second one beside it in 50 ms; the envtest pair in at most 1 s."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.envtest.pair import Pair, write_assets

pytestmark = pytest.mark.timed

Show = Callable[[str, object, object], None]
FIRST, SECOND, PAIR = 0.100, 0.050, 1.0
RUNS = 12
"""At most: a shared machine may be busy, its best moment counts."""
PROGRAM = """
import gc, json, ssl, time, urllib.request
from podling.testing import ApiServer

def ready():
    before = time.perf_counter()
    api = ApiServer().__enter__()
    context = ssl.create_default_context(cadata=api.ca.decode())
    assert urllib.request.urlopen(f"{api.url}/readyz", context=context).status == 200
    return time.perf_counter() - before

print(json.dumps([ready() for _ in range(4)]))
"""


def test_an_api_server_in_process_is_ready_at_once_and_so_is_the_next(show: Show):
    """Until a client has been answered over TLS, after the imports."""
    first = second = float("inf")
    for _ in range(RUNS):
        took = json.loads(subprocess.check_output([sys.executable, "-c", PROGRAM], text=True))
        first, second = min(first, took[0]), min(second, *took[1:])
        if first <= FIRST and second <= SECOND:
            break
    show("an in-process API server, from nothing to its first answer", f"{first * 1000:.0f} ms", "100 ms")
    show("another one beside it", f"{second * 1000:.0f} ms", "50 ms")
    assert first <= FIRST
    assert second <= SECOND


def test_the_envtest_pair_is_ready_within_a_second(show: Show, tmp_path: Path):
    """From the first `etcd --help` to 200 at /healthz, looked at every 100 ms as envtest does."""
    assets = write_assets(tmp_path / "assets")
    best = float("inf")
    for run in range(RUNS):
        folder = tmp_path / str(run)
        folder.mkdir()
        pair = Pair(assets, folder)
        before = time.perf_counter()
        with pair.both():
            best = min(best, time.perf_counter() - before)
        if best <= PAIR:
            break
    show("etcd and kube-apiserver for envtest, one after the other", f"{best:.2f} s", "1 s")
    assert best <= PAIR
