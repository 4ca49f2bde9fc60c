"""A node process that dies comes back by itself, and neither after `podling stop` nor after `podling delete`."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podling.cluster.process import Process
from tests.e2e.harness import Cluster, bound, eventually, pod

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("podling")
    with Cluster(folder / "state", "comesback") as started:
        started.build_host_image(folder)
        yield started


def node_folder(cluster: Cluster) -> Path:
    (found,) = cluster.root.glob("clusters/*/nodes/*")
    return found


def kill(cluster: Cluster) -> int:
    """The pid that was."""
    pid: int = cluster.status()["node"]["pid"]
    os.kill(pid, signal.SIGKILL)
    return pid


def back(cluster: Cluster, killed: int, seconds: float) -> int:
    """The pid that is."""

    def other() -> int:
        found = Process.load(node_folder(cluster) / "node.pid")
        return found.pid if found and found.pid != killed else 0

    pid: int = eventually(other, seconds, "the node process is back")
    return pid


def processes(cluster: Cluster) -> list[str]:
    """Of this cluster, by their command lines."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in found if str(cluster.root) in line]


def answers(cluster: Cluster, name: str) -> bool:
    return cluster.kubectl("exec", name, "--", "true").code == 0


def test_a_node_process_that_was_killed_is_back_within_a_second_or_so(cluster: Cluster) -> None:
    cluster.create(pod("stays", "sleep", "infinity"))
    cluster.wait_ready("stays")
    (container,) = cluster.containers("stays")
    server, keeper = cluster.status()["server"], cluster.status()["keeper"]
    began = time.monotonic()
    killed = kill(cluster)
    pid = back(cluster, killed, 2)
    eventually(lambda: answers(cluster, "stays"), 5, "it answers")
    assert time.monotonic() - began < 5
    status = cluster.status()
    assert (status["server"], status["keeper"], status["node"]["pid"]) == (server, keeper, pid)
    assert cluster.containers("stays") == [container]
    assert cluster.json("get", "pod", "stays")["status"]["containerStatuses"][0]["restartCount"] == 0
    log = (node_folder(cluster) / "node.log").read_text()
    assert f"the node process (pid {killed}) was killed by SIGKILL" in log
    assert "is running already" in cluster.start().out
    cluster.create(pod("later", "sleep", "infinity"))
    cluster.wait_ready("later")


def test_a_start_does_not_wait_for_the_rest_between_two_lives(cluster: Cluster) -> None:
    second = back(cluster, kill(cluster), 5)
    os.kill(second, signal.SIGKILL)
    eventually(lambda: Process.of(second) is None, 5, "it is dead")
    cluster.start()
    first = cluster.status()["node"]["pid"]
    assert answers(cluster, "stays")
    assert back(cluster, kill(cluster), 5) != first


def test_after_a_stop_nothing_comes_back(cluster: Cluster) -> None:
    kill(cluster)
    assert "is stopped" in cluster.podling("stop").ok().out
    assert cluster.podling("status").code == 3
    assert not list(node_folder(cluster).glob("*.pid"))
    assert processes(cluster) == []
    cluster.start()
    cluster.wait_ready("stays")


def test_after_a_start_that_failed_the_next_one_watches_over_the_node_again(cluster: Cluster) -> None:
    cluster.start()
    status, log = cluster.status(), node_folder(cluster) / "node.log"
    (watch,) = node_folder(cluster).glob("warden.pid")
    for pid in (int(watch.read_text().split()[0]), status["node"]["pid"], status["server"]["pid"]):
        os.kill(pid, signal.SIGKILL)
    address = status["api"].removeprefix("https://").partition(":")[0]
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        eventually(lambda: bound(taken, address), 5, "the server has let go of its address")
        taken.listen()
        assert cluster.podling("start").code == 1
    assert Process.load(node_folder(cluster) / "node.pid") is None
    cluster.start()
    killed = kill(cluster)
    back(cluster, killed, 5)
    assert f"(pid {killed}) was killed by SIGKILL" in log.read_text()


def test_a_delete_right_after_a_death_leaves_nothing(cluster: Cluster) -> None:
    kill(cluster)
    cluster.delete()
    assert processes(cluster) == []
    assert not cluster.root.exists()
