"""What has to be seen of the host: it is as it was. In a module of its own, so that no other cluster of ours runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.harness import Cluster, pod
from tests.e2e.hostprint import differences, hostprint

pytestmark = [pytest.mark.real, pytest.mark.slow]
Show = Callable[[str, object, object], None]


@pytest.mark.parametrize("how", ["in order", "everything killed"])
def test_the_host_is_as_before(tmp_path: Path, show: Show, how: str) -> None:
    before = hostprint()
    cluster = Cluster(tmp_path / "state", "trace")
    try:
        cluster.start()
        cluster.build_host_image(tmp_path)
        cluster.create(pod("one", "sleep", "infinity"), pod("two", "sleep", "infinity"))
        cluster.wait_ready("one", "two")
        if how == "everything killed":
            status = cluster.status()
            victims = [status[name]["pid"] for name in ("server", "node", "keeper")]
            for pid in [*victims, *(each["pid"] for each in status["containers"] if each["pid"])]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue  # the kernel took it along with its keeper
    finally:
        cluster.delete()
    found = differences(before, hostprint())
    show(f"the host after delete ({how})", "; ".join(found) or "no difference", "equal")
    assert not found
    assert not (tmp_path / "state").exists()
