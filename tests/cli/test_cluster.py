"""The life of a cluster on the command line: started, stopped, started again, looked at, deleted."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, Cluster, eventually, pod, run

from .leftovers import nothing_left

pytestmark = pytest.mark.real
PODLING = str(BIN / "podling")


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
        "name", "running", "api", "address", "runtime", "proxyMode", "store", "server", "node", "keeper", "warden",
        "nodes", "containers",
    ]  # fmt: skip
    assert (found["name"], found["running"], found["runtime"]) == (running.name, True, "crun")
    (first,) = found["nodes"]
    assert (first["name"], first["address"]) == (running.name, found["address"])
    assert (first["node"], first["keeper"]) == (found["node"], found["keeper"])
    for part in ("server", "node", "keeper", "warden"):
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
