"""What cannot be done on the command line is told in words, and leaves things as they were."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from podling.cluster.process import Process
from tests.e2e.harness import BIN, Cluster, bound, eventually, pod, run

from .leftovers import nothing_left

pytestmark = pytest.mark.real
PODLING = str(BIN / "podling")


@pytest.mark.parametrize("name", ["Upper", "-x", "x-", "a b", "../etc", "x" * 41, "", "ü", "a.b"])
@pytest.mark.parametrize("command", ["start", "delete", "status"])
def test_an_impossible_name_is_refused(made: Cluster, name: str, command: str) -> None:
    done = run(PODLING, command, f"--name={name}", env=made.env)
    assert done.code == 2
    assert "is no name for a cluster" in done.err
    assert not made.root.exists()


@pytest.mark.parametrize("command", ["stop", "status", "ip", "logs", "proxy-mode"])
def test_a_cluster_that_does_not_exist_is_told(made: Cluster, command: str) -> None:
    done = made.podling(command)
    assert done.code == 1
    assert f'there is no cluster "{made.name}"' in done.err
    assert not made.root.exists()


@pytest.mark.parametrize("words", [("start", "--proxy-mode", "iptables"), ("proxy-mode", "ipvs")])
def test_a_proxy_mode_of_old_names_the_one_of_today(made: Cluster, words: tuple[str, ...]) -> None:
    done = made.podling(*words)
    assert done.code == 2
    assert f"{words[-1]} is not a mode of Podling: nftables does the same" in done.err


def test_a_stopped_cluster_whose_address_was_taken_moves_to_another(made: Cluster, tmp_path: Path) -> None:
    made.start()
    made.kubectl("create", "configmap", "moved", "--from-literal=a=b").ok()
    before = made.status()["api"]
    made.podling("stop").ok()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((before.removeprefix("https://").partition(":")[0], 6443))
        taken.listen()
        assert "is taken by now: the cluster moves to" in made.start().out
        assert made.status()["api"] != before
        made.kubectl("get", "configmap", "moved").ok()
        made.build_host_image(tmp_path)
        made.create(pod("asks", "sleep", "infinity"))
        made.wait_ready("asks")
        connect = "import socket; socket.create_connection(('kubernetes.default', 443), timeout=5)"
        made.kubectl("exec", "asks", "--", "python3", "-c", connect).ok()


def test_a_port_taken_behind_a_living_node_is_told(made: Cluster) -> None:
    made.start()
    status = made.status()
    os.kill(status["server"]["pid"], signal.SIGKILL)
    address = status["api"].removeprefix("https://").partition(":")[0]
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        eventually(lambda: bound(taken, address), 5, "the server has let go of its address")
        taken.listen()
        done = made.podling("start")
        assert done.code == 1
        assert "another program listens there already" in done.err
        assert address in done.err
        assert "Traceback" not in done.err
    made.start()
    assert made.status()["node"] == status["node"]


def test_a_damaged_spec_is_told_and_can_be_deleted(made: Cluster) -> None:
    made.start()
    pid = made.status()["keeper"]["pid"]
    (made.root / "clusters" / made.name / "cluster.json").write_text("{")
    for command in ("start", "status", "stop"):
        done = made.podling(command)
        assert done.code == 1
        assert "is damaged" in done.err
        assert f"podling delete --name {made.name}" in done.err
        assert "Traceback" not in done.err
    made.podling("delete").ok()
    assert Process.of(pid) is None
    assert nothing_left(made)


def test_a_damaged_kubeconfig_is_told_and_left_alone(made: Cluster) -> None:
    file = Path(made.env["KUBECONFIG"])
    file.write_text("a: [unfinished")
    done = made.podling("start")
    assert done.code == 1
    assert f"{file} is no kubeconfig" in done.err
    assert "Traceback" not in done.err
    assert file.read_text() == "a: [unfinished"
    assert not made.root.exists()
    file.unlink()
    assert nothing_left(made)


@pytest.mark.parametrize("size", ["16k", "40k", "80k"])
def test_a_full_disk_is_told_and_nothing_is_left(made: Cluster, size: str) -> None:
    made.root.mkdir()
    script = (
        'mount --make-rprivate / && mount -t tmpfs -o "size=$1" none "$PODLING_STATE" || exit 99\n'
        '"$0" start --name "$2"; code=$?; find "$PODLING_STATE" -type f ! -name lock; exit $code'
    )
    done = run("unshare", "-m", "sh", "-c", script, PODLING, size, made.name, env=made.env)
    assert done.code == 1, done.out + done.err
    assert any(words in done.err for words in ("No space left on device", "disk is full", "disk I/O error")), done.err
    assert "Traceback" not in done.err
    assert str(made.root) not in done.out
    made.root.rmdir()
    assert nothing_left(made)


def test_a_folder_that_cannot_be_written_is_told(made: Cluster) -> None:
    done = run(PODLING, "start", "--name", made.name, env=made.env | {"PODLING_STATE": "/proc/nowhere"})
    assert done.code == 1
    assert "/proc/nowhere" in done.err
    assert "Traceback" not in done.err
