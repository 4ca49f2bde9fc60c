"""Simulated nodes on the command line, without root and without the real node."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Cluster, eventually, pod


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path / "state", f"node{os.getpid()}")
    yield made
    made.podling("delete")


def nodes(cluster: Cluster) -> dict[str, Any]:
    return {each["metadata"]["name"]: each for each in cluster.json("get", "nodes")["items"]}


def test_pools_come_go_and_outlive_a_stop(cluster: Cluster) -> None:
    started = cluster.podling("start", "--runtime", "fake", "--fake-nodes", "5")
    assert started.code == 0, started
    assert "5 nodes are simulated: nothing runs in their Pods (podling node list)." in started.out
    assert "podling node add --fake N adds some" in cluster.podling("start", "--fake-nodes", "9").out
    added = cluster.podling("node", "add", "--fake", "3", "gpu", "--cpu", "64", "--zones", "2", "--label", "gpu=yes")
    assert "Pool gpu has 3 simulated nodes: nothing runs in their Pods." in added.out
    listed = cluster.podling("node", "list").out.splitlines()
    rows = [line.split()[:4] for line in listed[1:3]]
    assert rows == [["fake", "simulated", "5", "5"], ["gpu", "simulated", "3", "3"]]
    assert nodes(cluster)["gpu-2"]["status"]["capacity"]["cpu"] == "64"
    assert "simulated" in cluster.kubectl("get", "nodes", "gpu-1").ok().out
    cluster.kubectl("create", "deployment", "web", "--image=x", "--replicas=8").ok()
    cluster.kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=30s").ok()
    assert cluster.podling("node", "delete", "fake-2").out.strip() == "Deleted: fake-2 (1 node)"
    cluster.podling("stop")
    assert cluster.podling("start").code == 0
    eventually(lambda: len(nodes(cluster)) == 4 + 3 + 1, 10, "the pools are as they were left")
    assert cluster.podling("node", "delete", "gpu").out.strip() == "Deleted: gpu (3 nodes)"
    assert sorted(nodes(cluster)) == sorted(["fake-1", "fake-3", "fake-4", "fake-5", cluster.name])


def test_what_cannot_be_is_refused_in_words(cluster: Cluster) -> None:
    assert "there is no cluster" in cluster.podling("node", "list").err
    assert cluster.podling("start", "--runtime", "fake").code == 0
    assert "is the first of its cluster and goes with it" in cluster.podling("node", "delete", cluster.name).err
    assert "there is no node and no pool" in cluster.podling("node", "delete", "nobody").err
    assert "is no number from 0 to" in cluster.podling("node", "add", "--fake", "many").err
    assert "is no name for a pool" in cluster.podling("node", "add", "--fake", "1", "No_Name").err
    assert "has one node of its own: --fake-nodes N makes more" in cluster.podling("node", "add").err
    assert "is no number from 1 to 16" in cluster.podling("node", "add", "--count", "0").err
    assert "is for simulated ones: add --fake N" in cluster.podling("node", "add", "gpu").err
    assert "only " + cluster.name in cluster.podling("ip", "nobody").err
    assert "only " + cluster.name in cluster.podling("logs", "--node", "nobody").err
    assert "--label wants KEY=VALUE" in cluster.podling("node", "add", "--fake", "1", "--label", "x").err


def test_nobody_gets_into_a_simulated_pod(cluster: Cluster) -> None:
    assert cluster.podling("start", "--runtime", "fake", "--fake-nodes", "1").code == 0
    cluster.create(pod("web", image="x", nodeName="fake-1"))
    cluster.wait_ready("web")
    for words in (["logs", "web"], ["exec", "web", "--", "ls"], ["attach", "web"]):
        assert 'node "fake-1" is simulated: no process runs in its Pods' in cluster.kubectl(*words).err
