"""A cluster that is interrupted on its way: nothing of it is left, or all of it is there.

The moments are what the command says it has done, so that a slow machine is interrupted where a quick one is.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any

import pytest

from podling.cluster.interrupts import SIGNALS, Interrupts
from tests.e2e.harness import BIN, Cluster

from .leftovers import nothing_left

real = pytest.mark.real
STEPS = ("Starting", "✓ keys", "✓ node namespaces", "✓ API answering", "✓ controllers", "✓ node", "✓ context")
OF_SEVERAL = ("✓ keys", "✓ namespaces of", "✓ network between", "✓ node")
EVERY = [pytest.param(number, id=number.name) for number in SIGNALS]


@real
@pytest.mark.parametrize("step", STEPS)
def test_an_interrupted_start_leaves_nothing(made: Cluster, step: str) -> None:
    interrupted(made, step, signal.SIGINT, "start")


@real
@pytest.mark.parametrize("number", EVERY)
@pytest.mark.parametrize("step", ["✓ node namespaces", "✓ API answering"])
def test_every_signal_that_asks_to_end_undoes_a_start(made: Cluster, step: str, number: signal.Signals) -> None:
    interrupted(made, step, number, "start")


@real
@pytest.mark.parametrize("step", OF_SEVERAL)
def test_an_interrupted_start_of_several_nodes_leaves_nothing(made: Cluster, step: str) -> None:
    interrupted(made, step, signal.SIGINT, "start", "--nodes", "3", nodes=3)


@real
@pytest.mark.parametrize("number", EVERY)
def test_a_start_that_is_done_stands_whatever_signal_comes(made: Cluster, number: signal.Signals) -> None:
    done = interrupt(made, "Ready after", number, "start")
    assert done.returncode == 0, done.stderr
    assert_whole(made, 1)


@real
@pytest.mark.parametrize("step", ["Adding", *OF_SEVERAL, "✓ context"])
def test_an_interrupted_node_leaves_the_cluster_as_it_was(running: Cluster, step: str) -> None:
    before = running.status()
    done = interrupt(running, step, signal.SIGINT, "node", "add", "--count", "2")
    if done.returncode == 0:
        assert_whole(running, 3)
        return
    assert_undone(done)
    assert running.status() == before
    assert len(running.json("get", "nodes")["items"]) == 1
    assert os.listdir(running.root / "clusters" / running.name / "nodes") == [running.name]


@real
def test_a_node_that_is_added_stays_whatever_signal_comes(running: Cluster) -> None:
    done = interrupt(running, "Ready after", signal.SIGINT, "node", "add")
    assert done.returncode == 0, done.stderr
    assert_whole(running, 2)


@real
def test_an_interrupted_restart_keeps_the_cluster(made: Cluster) -> None:
    made.start()
    made.kubectl("create", "configmap", "precious", "--from-literal=a=b").ok()
    made.podling("stop").ok()
    if interrupt(made, "✓ keys", signal.SIGINT, "start").returncode:
        assert json.loads(made.podling("status", "-o", "json").out)["running"] is False
    made.start()
    made.kubectl("get", "configmap", "precious").ok()


def interrupted(cluster: Cluster, step: str, number: signal.Signals, *words: str, nodes: int = 1) -> None:
    """What a signal comes to after that step of a first start: all, where the start was faster, or nothing."""
    done = interrupt(cluster, step, number, *words)
    if done.returncode == 0:
        assert_whole(cluster, nodes)
    else:
        assert_undone(done)
        assert nothing_left(cluster)


def interrupt(cluster: Cluster, step: str, number: signal.Signals, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command that gets a signal when it has said so; stderr and exit code are those of the whole command."""
    command = [str(BIN / "podling"), *words, "--name", cluster.name]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=cluster.env, start_new_session=True, **pipes) as process:
        assert process.stdout
        said = []
        for line in process.stdout:
            said.append(line)
            if line.strip().startswith(step):
                break
        else:
            pytest.fail(f"it never said {step!r} but {said}")
        os.killpg(process.pid, number)
        rest, complaint = process.communicate(timeout=30)
    return subprocess.CompletedProcess(command, process.returncode, "".join(said) + rest, complaint)


def assert_undone(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 130, done
    assert "interrupted; nothing of this start is left" in done.stderr


def assert_whole(cluster: Cluster, nodes: int) -> None:
    """So many nodes, each of them Ready as soon as the command has said that it is."""
    states = {
        node["metadata"]["name"]: {each["type"]: each["status"] for each in node["status"]["conditions"]}["Ready"]
        for node in cluster.json("get", "nodes")["items"]
    }
    assert list(states.values()) == ["True"] * nodes, states
    assert len(cluster.status()["nodes"]) == nodes


# The part that remembers signals


def test_what_the_user_has_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        interrupts = Interrupts()
        with interrupts.deferred():
            signal.raise_signal(signal.SIGHUP)
        interrupts.check()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_is_remembered_until_it_may_be_heard_and_its_handler_comes_back() -> None:
    interrupts, before = Interrupts(), signal.getsignal(signal.SIGTERM)
    with interrupts.deferred():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    assert signal.getsignal(signal.SIGTERM) == before
