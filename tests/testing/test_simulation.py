"""The whole control plane on virtual time: replayable, and right under every kind of loss."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from podling.client.resources import (
    CONFIGMAPS,
    ENDPOINTSLICES,
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    SERVICES,
)
from podling.runtime.fake import Course, Ending
from podling.testing.faults import Faults
from podling.testing.scenarios import gone, items, no_pods, ready_replicas, replica_set, two_replica_sets
from podling.testing.simulation import Simulation
from podling.testing.virtualtime import run


@pytest.mark.parametrize("kubelets", ["hollow", "real"])
def test_one_seed_gives_the_same_action_log_byte_for_byte_under_two_hash_seeds(tmp_path: Path, kubelets: str) -> None:
    def log(hash_seed: str) -> bytes:
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-m", "podling.testing.scenarios", "42"]
        if kubelets == "real":
            # The same one twice: nodes tell where their volumes lie.
            shutil.rmtree(tmp_path / "state", ignore_errors=True)
            command += ["--folder", str(tmp_path / "state")]
        return subprocess.run(command, env=environment, capture_output=True, check=True).stdout

    first, second = log("1"), log("2")
    assert first == second
    assert first.count(b"\n") > 100
    assert b"injected: the connection was lost before the answer" in first


@pytest.mark.parametrize("seed", range(6))
def test_lost_watches_answers_and_conflicts_delay_the_outcome_and_never_change_it(tmp_path: Path, seed: int) -> None:
    log = run(two_replica_sets(seed, folder=tmp_path if seed % 2 else None))
    created = [line for line in log if "POST /api/v1/namespaces/default/pods " in line and "-> 201" in line]
    assert len(created) == 3 + 5 + 5


def test_without_faults_the_log_of_another_seed_differs_only_by_chance() -> None:
    first, second = (run(two_replica_sets(seed, Faults())) for seed in (1, 2))
    assert first != second


def test_a_service_follows_its_pods() -> None:
    async def scenario() -> None:
        async with Simulation(1, nodes=2).running() as simulation:
            rest, env = simulation.rest, simulation.env
            await rest.create(REPLICASETS, "default", replica_set("web", 3))
            spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
            service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
            await rest.create(SERVICES, "default", service)
            await ready_replicas(rest, env, "web", 3)
            await env.sleep(1)
            pods = await items(rest, PODS)
            (slice_,) = [
                each
                for each in await items(rest, ENDPOINTSLICES)
                if each["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
            ]
            told = sorted(endpoint["addresses"][0] for endpoint in slice_["endpoints"])
            assert told == sorted(pod["status"]["podIP"] for pod in pods)
            assert all(endpoint["conditions"]["ready"] for endpoint in slice_["endpoints"])
            await rest.delete(SERVICES, "default", "web")
            await env.sleep(1)
            assert [
                each for each in await items(rest, ENDPOINTSLICES) if each["metadata"]["name"].startswith("web")
            ] == []

    run(scenario())


def test_a_pod_that_ends_is_replaced() -> None:
    async def scenario() -> None:
        course = Course(endings=(Ending(30.0, 1),))
        async with Simulation(1, course=course).running() as simulation:
            rest, env = simulation.rest, simulation.env
            await rest.create(REPLICASETS, "default", replica_set("web", 1))
            await env.sleep(20)
            (first,) = await items(rest, PODS)
            await env.sleep(20)
            phases = {each["metadata"]["name"]: each["status"]["phase"] for each in await items(rest, PODS)}
            assert phases.pop(first["metadata"]["name"]) == "Failed"
            assert list(phases.values()) == ["Running"]

    run(scenario())


def test_a_deleted_namespace_takes_everything_with_it() -> None:
    async def scenario() -> None:
        async with Simulation(1, faults=Faults(lost_watch=0.05, conflict=0.1, delay=0.01)).running() as simulation:
            rest, env = simulation.rest, simulation.env
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "doomed"}}
            await rest.create(NAMESPACES, "", namespace)
            await env.sleep(2)
            await rest.create(REPLICASETS, "doomed", replica_set("web", 3))
            settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
            await rest.create(CONFIGMAPS, "doomed", settings)
            await env.sleep(10)
            assert len(await items(rest, PODS, "doomed")) == 3
            await rest.delete(NAMESPACES, "", "doomed")
            await env.sleep(60)
            left = (await rest.transport.request("GET", NAMESPACES.path())).object["items"]
            assert "doomed" not in [each["metadata"]["name"] for each in left]
            assert await items(rest, PODS, "doomed") == []

    run(scenario())


def test_orphaned_pods_stay_and_are_adopted_by_a_new_set() -> None:
    async def scenario() -> None:
        async with Simulation(1).running() as simulation:
            rest, env = simulation.rest, simulation.env
            await rest.create(REPLICASETS, "default", replica_set("web", 2))
            await ready_replicas(rest, env, "web", 2)
            before = sorted(each["metadata"]["name"] for each in await items(rest, PODS))
            await rest.delete(REPLICASETS, "default", "web", propagation="Orphan")
            while not await gone(rest, REPLICASETS, "web"):
                await env.sleep(0.1)
            assert all(not each["metadata"].get("ownerReferences") for each in await items(rest, PODS))
            await rest.create(REPLICASETS, "default", replica_set("web", 2))
            await ready_replicas(rest, env, "web", 2)
            pods = await items(rest, PODS)
            assert sorted(each["metadata"]["name"] for each in pods) == before
            assert all(each["metadata"]["ownerReferences"][0]["controller"] for each in pods)

    run(scenario())


def test_pods_leave_a_node_that_fell_silent() -> None:
    async def scenario() -> None:
        async with Simulation(1, nodes=2).running() as simulation:
            rest, env = simulation.rest, simulation.env
            await rest.create(REPLICASETS, "default", replica_set("web", 4))
            await ready_replicas(rest, env, "web", 4)
            simulation.silence("node-1")
            await env.sleep(70)
            node = (await rest.get(NODES, "", "node-1")).object
            assert [each["status"] for each in node["status"]["conditions"] if each["type"] == "Ready"] == ["Unknown"]
            await env.sleep(330)
            alive = [each for each in await items(rest, PODS) if "deletionTimestamp" not in each["metadata"]]
            assert [each["spec"]["nodeName"] for each in alive] == ["node-2"] * 4
            assert all(each["status"]["phase"] == "Running" for each in alive)

    run(scenario())


def test_everything_comes_to_rest() -> None:
    async def scenario() -> None:
        async with Simulation(1).running() as simulation:
            rest, env = simulation.rest, simulation.env
            await rest.create(REPLICASETS, "default", replica_set("web", 3))
            await ready_replicas(rest, env, "web", 3)
            await rest.delete(REPLICASETS, "default", "web")
            await no_pods(rest, env)
            await env.sleep(5)
            written = len(simulation.log)
            await env.sleep(600)
            quiet = [line for line in simulation.log[written:] if "/leases/" not in line]
            assert quiet == []

    run(scenario())


@pytest.mark.parametrize("writes", (0, 2))
def test_who_crashes_does_so_after_so_many_writes_and_makes_none_after_that(writes: int) -> None:
    async def scenario() -> None:
        async with Simulation(1).running() as simulation:
            await simulation.env.sleep(5)
            began = len(simulation.log)
            crashed = simulation.crash("controllers", writes)
            await simulation.rest.create(REPLICASETS, "default", replica_set("web", 5))
            assert await crashed and not simulation.has("controllers")
            at = simulation.env.monotonic()
            await simulation.env.sleep(30)
            theirs = [line for line in simulation.log[began:] if "kube-controller-manager" in line]
            theirs = [line for line in theirs if "/events" not in line]
            assert writes + 1 <= len(theirs) < 7  # what was under way in that moment arrives, too
            assert float(theirs[-1].split()[0]) <= at
            simulation.start("controllers")
            await ready_replicas(simulation.rest, simulation.env, "web", 5)

    run(scenario())


def test_who_is_spared_or_silenced_does_not_crash() -> None:
    async def scenario() -> None:
        async with Simulation(1).running() as simulation:
            spared = simulation.crash("scheduler", 0)
            simulation.spare()
            assert not await spared and simulation.has("scheduler")
            silenced = simulation.crash("scheduler", 0)
            simulation.silence("scheduler")
            assert not await silenced

    run(scenario())


def test_a_lost_machine_comes_back_with_nothing() -> None:
    async def scenario() -> None:
        async with Simulation(1).running() as simulation:
            await simulation.rest.create(REPLICASETS, "default", replica_set("web", 2))
            await ready_replicas(simulation.rest, simulation.env, "web", 2)
            assert len(simulation.sandboxes()) == 2
            simulation.lose("node-1")
            assert simulation.sandboxes() == {}
            simulation.start("node-1")
            assert simulation.has("node-1")

    run(scenario())


def test_a_node_that_ended_between_making_and_starting_a_container_starts_it_when_it_is_back() -> None:
    async def scenario() -> None:
        async with Simulation(1, course=Course(start=1.0)).running() as simulation:
            rest, env = simulation.rest, simulation.env
            await rest.create(REPLICASETS, "default", replica_set("web", 1))
            runtime = simulation.runtimes["node-1"]
            while [each.state for each in (await runtime.list())[1]] != ["created"]:
                await env.sleep(0.1)
            simulation.silence("node-1")
            await env.sleep(5)
            assert [each.state for each in (await runtime.list())[1]] == ["created"]
            simulation.start("node-1")
            await ready_replicas(rest, env, "web", 1)

    run(scenario())
