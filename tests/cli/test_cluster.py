"""The life of a cluster on the command line, and what goes wrong in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from podling.cluster.process import Process
from tests.e2e.harness import BIN, Cluster, eventually, pod, run
from tests.e2e.hostprint import hostprint

pytestmark = pytest.mark.real
PODLING = str(BIN / "podling")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that may be started; deleted at the end whatever state it is in."""
    cluster = Cluster(tmp_path / "state", f"cli{os.getpid()}")
    yield cluster
    sys.stderr.write(cluster.podling("logs", "-n", "30").out)  # shown where the test failed
    cluster.podling("delete")


@pytest.fixture
def running(made: Cluster) -> Cluster:
    made.start()
    return made


def traces(cluster: Cluster) -> list[str]:
    """Everything on this machine that carries the cluster's name or lies in its folder."""
    marks = (f"/{cluster.name}", f"--cluster {cluster.name}", str(cluster.root))
    return [line for lines in hostprint().values() for line in lines if any(mark in line for mark in marks)]


def nothing_left(cluster: Cluster) -> bool:
    eventually(lambda: not traces(cluster), 5, f"no trace is left, but {traces(cluster)}")
    return not cluster.root.exists() and not Path(cluster.env["KUBECONFIG"]).exists()


# Starting and stopping


def test_a_second_start_says_that_it_runs_and_changes_nothing(running: Cluster) -> None:
    before = running.status()
    again = running.podling("start")
    assert again.code == 0
    assert f'Cluster "{running.name}" is running already.' in again.out
    assert running.status() == before


def test_stop_and_start_keep_the_objects_and_bring_the_pods_back(running: Cluster, tmp_path: Path) -> None:
    running.build_host_image(tmp_path)
    running.create(pod("kept", "sleep", "infinity"))
    running.wait_ready("kept")
    uid = running.json("get", "pod", "kept")["metadata"]["uid"]
    assert "brings it back" in running.podling("stop").ok().out
    stopped = running.podling("status", "-o", "json")
    assert stopped.code == 3
    assert json.loads(stopped.out)["running"] is False
    assert "was not running" in running.podling("stop").ok().out
    refused = running.kubectl("get", "pods")
    assert refused.code == 1
    assert "refused" in refused.err
    running.start()
    running.wait_ready("kept")
    after = running.json("get", "pod", "kept")
    assert after["metadata"]["uid"] == uid
    assert after["status"]["containerStatuses"][0]["restartCount"] == 1


def test_a_start_brings_back_only_what_has_died(running: Cluster) -> None:
    before = running.status()
    os.kill(before["server"]["pid"], signal.SIGKILL)
    eventually(lambda: not json.loads(running.podling("status", "-o", "json").out)["running"], 5, "it is seen dead")
    running.start()
    after = running.status()
    assert after["node"] == before["node"]
    assert after["keeper"] == before["keeper"]
    assert after["server"]["pid"] != before["server"]["pid"]
    running.kubectl("get", "nodes").ok()


def test_delete_leaves_nothing_and_may_be_repeated(made: Cluster) -> None:
    made.start()
    assert "nothing of it is left" in made.podling("delete").ok().out
    assert nothing_left(made)
    assert "There was no cluster" in made.podling("delete").ok().out


def test_status_shows_every_part_in_its_shape(running: Cluster) -> None:
    found = running.status()
    assert list(found) == [
        "name", "running", "api", "address", "runtime", "proxyMode", "store", "server", "node", "keeper", "nodes",
        "containers",
    ]  # fmt: skip
    assert (found["name"], found["running"], found["runtime"]) == (running.name, True, "crun")
    (first,) = found["nodes"]
    assert (first["name"], first["address"]) == (running.name, found["address"])
    assert (first["node"], first["keeper"]) == (found["node"], found["keeper"])
    for part in ("server", "node", "keeper"):
        assert os.path.isdir(f"/proc/{found[part]['pid']}")
    text = running.podling("status").ok().out
    assert "running" in text
    assert found["api"] in text
    assert running.podling("ip").ok().out.strip() == found["address"]


def test_logs_are_shown(running: Cluster) -> None:
    assert "node.log" in running.podling("logs", "node").ok().out
    assert running.podling("logs", "nothing").code == 2


def test_podling_kubectl_speaks_to_the_cluster_whatever_kubeconfig_says(running: Cluster) -> None:
    words = (PODLING, "kubectl", "--name", running.name, "get", "nodes", "-o", "name")
    assert run(*words, env=running.env | {"KUBECONFIG": "/nonexistent"}).ok().out == f"node/{running.name}\n"
    missing = run(PODLING, "kubectl", "--name", "not-there", "get", "nodes", env=running.env)
    assert missing.code == 1
    assert 'there is no cluster "not-there"' in missing.err


def test_an_unknown_pod_is_kubectls_own_error_through_podling(running: Cluster) -> None:
    done = run(PODLING, "kubectl", "--name", running.name, "get", "pod", "x", env=running.env)
    assert done.code == 1
    assert 'Error from server (NotFound): pods "x" not found' in done.err


# Interrupted


@pytest.mark.parametrize("moment", [0.03, 0.1, 0.17, 0.25, 0.35, 0.5])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interrupted_start_leaves_nothing(made: Cluster, moment: float, number: signal.Signals) -> None:
    interrupt(made, moment, number, "start")
    assert nothing_left(made)


@pytest.mark.parametrize("moment", [0.2, 0.6])
def test_an_interrupted_start_of_several_nodes_leaves_nothing(made: Cluster, moment: float) -> None:
    interrupt(made, moment, signal.SIGINT, "start", "--nodes", "3")
    assert nothing_left(made)


@pytest.mark.parametrize("moment", [0.1, 0.5])
def test_an_interrupted_node_leaves_the_cluster_as_it_was(running: Cluster, moment: float) -> None:
    before = running.status()
    interrupt(running, moment, signal.SIGINT, "node", "add", "--count", "2")
    assert running.status() == before
    assert len(running.json("get", "nodes")["items"]) == 1
    assert os.listdir(running.root / "clusters" / running.name / "nodes") == [running.name]


def interrupt(cluster: Cluster, moment: float, number: signal.Signals, *words: str) -> None:
    """Send a signal in the middle of a command."""
    process = subprocess.Popen(
        [PODLING, *words, "--name", cluster.name],
        env=cluster.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    process.stdout.readline()  # "Starting cluster": from here on it listens to signals
    time.sleep(moment)
    os.killpg(process.pid, number)
    _, complaint = process.communicate(timeout=30)
    if process.returncode == 0:
        pytest.skip("it was up before the signal came")
    assert process.returncode == 130, complaint
    assert "interrupted; nothing of this start is left" in complaint


def test_an_interrupted_restart_keeps_the_cluster(made: Cluster) -> None:
    made.start()
    made.kubectl("create", "configmap", "precious", "--from-literal=a=b").ok()
    made.podling("stop").ok()
    process = subprocess.Popen([PODLING, "start", "--name", made.name], env=made.env, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    process.stdout.readline()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    if process.returncode:
        assert json.loads(made.podling("status", "-o", "json").out)["running"] is False
    made.start()
    made.kubectl("get", "configmap", "precious").ok()


# Impossible


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
        eventually(lambda: _bound(taken, address), 5, "the server has let go of its address")
        taken.listen()
        done = made.podling("start")
        assert done.code == 1
        assert "another program listens there already" in done.err
        assert address in done.err
        assert "Traceback" not in done.err
    made.start()
    assert made.status()["node"] == status["node"]


def _bound(taken: socket.socket, address: str) -> bool:
    try:
        taken.bind((address, 6443))
    except OSError:
        return False
    return True


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


# kubeconfig


def test_other_contexts_of_the_kubeconfig_stay(made: Cluster, tmp_path: Path) -> None:
    other = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "work", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
        "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
        "current-context": "work",
    }
    real = tmp_path / "dotfiles" / "config"
    real.parent.mkdir()
    real.write_text(yaml.safe_dump(other))
    Path(made.env["KUBECONFIG"]).symlink_to(real)
    made.start()
    merged = yaml.safe_load(real.read_text())
    assert [each["name"] for each in merged["contexts"]] == ["work", made.name]
    assert merged["current-context"] == made.name
    assert real.stat().st_mode & 0o777 == 0o600
    made.delete()
    assert Path(made.env["KUBECONFIG"]).is_symlink()
    left = yaml.safe_load(real.read_text())
    for section in ("clusters", "users", "contexts"):
        assert left[section] == other[section]
    assert left["current-context"] == "work"


def test_a_list_in_kubeconfig_is_written_to_its_first_file_and_cleaned_in_all(made: Cluster, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    made.env["KUBECONFIG"] = f":{first}:{second}"
    made.start()
    assert first.exists()
    assert not second.exists()
    made.kubectl("get", "nodes").ok()
    first.rename(second)
    made.delete()
    assert not first.exists()
    assert not second.exists()


# doctor and images


def test_doctor_finds_everything_here_and_names_what_is_missing(made: Cluster, tmp_path: Path) -> None:
    assert made.podling("doctor").ok().out.count("✓") >= 5
    bare = tmp_path / "bin"
    bare.mkdir()
    script = (
        "import sys; from podling.cluster import doctor; doctor.SBIN = '';"
        "doctor.ctypes.util.find_library = lambda _: None;"
        "from podling.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    done = run(sys.executable, "-c", script, "doctor", env=made.env | {"PATH": str(bare)})
    assert done.code == 1
    assert "apt-get install -y crun" in done.out
    assert "apt-get install -y nftables" in done.out
    start = run(sys.executable, "-c", script, "start", "--name", made.name, env=made.env | {"PATH": str(bare)})
    assert start.code == 1
    assert "crun (or runc) starts the containers" in start.err
    assert not made.root.exists()


@pytest.mark.parametrize(
    ("containerfile", "complaint"),
    [
        ("FROM host\nCOPY missing /x\n", "missing"),
        ("FROM host\nFLY away\n", "FLY"),
        ("RUN true\n", "FROM"),
        ("FROM host\nRUN exit 3\n", "3"),
        ("FROM 127.0.0.1:9/none:1\n", "127.0.0.1:9"),
        ("", "no instructions"),
    ],
    ids=["missing file", "unknown instruction", "no FROM", "failing RUN", "unreachable base", "empty"],
)
def test_a_build_that_fails_says_why_and_leaves_no_image(
    made: Cluster, tmp_path: Path, containerfile: str, complaint: str
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Containerfile").write_text(containerfile)
    done = made.podling("image", "build", "-t", "broken:1", str(context))
    assert done.code == 1
    assert complaint in done.err
    assert "Traceback" not in done.err
    assert "broken" not in made.podling("image", "ls").ok().out
    shutil.rmtree(made.root, ignore_errors=True)


def test_images_that_are_not_there_are_told(made: Cluster, tmp_path: Path) -> None:
    for words in (
        ("rm", "none:1"),
        ("save", "none:1", "-o", str(tmp_path / "x.tar")),
        ("load", str(tmp_path / "none.tar")),
        ("build", "-t", "x", str(tmp_path / "nowhere")),
        ("build", "-t", "UPPER:1", str(tmp_path)),
        ("pull", "127.0.0.1:9/none:1"),
    ):
        done = made.podling("image", *words)
        assert done.code == 1, words
        assert done.err.startswith("podling: ")
        assert "Traceback" not in done.err
    shutil.rmtree(made.root, ignore_errors=True)
