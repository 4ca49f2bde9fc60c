"""Less important Pods make room, as few and as unimportant as possible."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.kinds.meta import LabelSelector
from podling.apiserver.config import Config
from podling.client.events import EventRecorder
from podling.client.informer import Informer
from podling.client.resources import PODDISRUPTIONBUDGETS, PODS, SERVICEACCOUNTS
from podling.client.rest import Rest
from podling.client.transport import Resource
from podling.env import SimulatedEnv
from podling.scheduler.budgets import Budget
from podling.scheduler.cycle import Cycle, Placement, Unschedulable
from podling.scheduler.plugin import Cause
from podling.scheduler.plugins import default_plugins
from podling.scheduler.preemption import Preemption
from podling.scheduler.snapshot import PodFacts, Snapshot, facts_of
from podling.scheduler.writer import Writer
from podling.supervise import Supervisor
from podling.testing.faults import Faults
from podling.testing.virtualtime import run
from tests.client.servers import api_server
from tests.scheduler.nodes import cluster, node, pod
from tests.scheduler.test_scheduler import add_node, add_pod, events, node_of, scheduling


def preemption(facts: PodFacts, snapshot: Snapshot) -> Preemption | None:
    decision = Cycle(default_plugins()).decide(facts, snapshot, 0.0)
    assert isinstance(decision, Unschedulable)
    return decision.preemption


def names(found: Preemption | None) -> list[str]:
    return [each.pod.metadata.name for each in found.victims] if found is not None else []


def important(name: str = "important", cpu: str = "2") -> PodFacts:
    return pod(name, cpu=cpu, priority=100)


def test_only_as_many_as_needed_go_and_the_least_important_first() -> None:
    snapshot = cluster(node("n", cpu="4"))
    for name, priority in (("low", 1), ("middle", 5), ("high", 9), ("equal", 100)):
        snapshot.put(pod(name, cpu="1", priority=priority), "n")
    assert names(preemption(important(), snapshot)) == ["middle", "low"]


def test_equals_are_never_victims() -> None:
    snapshot = cluster(node("n", cpu="1"))
    snapshot.put(pod("equal", cpu="1", priority=100), "n")
    decision = Cycle(default_plugins()).decide(important(cpu="1"), snapshot, 0.0)
    assert decision == Unschedulable(
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are "
        "available: 1 No preemption victims found for incoming pod.",
        heeds=Cause.NODE | Cause.POD_LEFT,
    )


def test_nobody_goes_where_it_would_not_help() -> None:
    snapshot = cluster(node("n", cpu="2"))
    snapshot.put(pod("equal", cpu="1", priority=100), "n")
    snapshot.put(pod("low", cpu="1", priority=1), "n")
    assert preemption(important(cpu="2"), snapshot) is None


def test_room_that_is_made_for_a_pod_is_not_taken_from_it_by_what_is_remembered_of_its_equals() -> None:
    snapshot, cycle = cluster(node("n", cpu="2")), Cycle(default_plugins())
    first, second = important("first"), important("second")
    snapshot.nominate(first, "n")
    assert isinstance(cycle.decide(second, snapshot, 0.0), Unschedulable)
    assert cycle.decide(first, snapshot, 0.0) == Placement("n")
    assert isinstance(cycle.decide(second, snapshot, 0.0), Unschedulable)


def test_the_node_whose_victims_matter_least_is_chosen() -> None:
    snapshot = cluster(node("a", cpu="1"), node("b", cpu="1"), node("c", cpu="1"))
    for name, priority in (("a", 50), ("b", 2), ("c", 10)):
        snapshot.put(pod(f"on-{name}", cpu="1", priority=priority), name)
    found = preemption(important(cpu="1"), snapshot)
    assert found is not None
    assert (found.node, names(found)) == ("b", ["on-b"])


def labelled(name: str, priority: int) -> PodFacts:
    """A Pod whose label `app` is its name."""
    found = pod(name, cpu="1", priority=priority)
    metadata = msgspec.structs.replace(found.pod.metadata, labels={"app": name})
    return msgspec.structs.replace(found, pod=msgspec.structs.replace(found.pod, metadata=metadata))


def guard(app: str, allowed: int) -> Budget:
    return Budget("default", LabelSelector(match_labels={"app": app}), allowed)


def test_those_whose_budget_is_used_up_stay_where_others_can_go() -> None:
    snapshot = cluster(node("n", cpu="2"))
    snapshot.put(labelled("guarded", 1), "n")
    snapshot.put(labelled("free", 9), "n")
    assert names(preemption(important(cpu="1"), snapshot)) == ["guarded"]
    snapshot.budgets["guarded"] = guard("guarded", 0)
    assert names(preemption(important(cpu="1"), snapshot)) == ["free"]
    snapshot.budgets["guarded"] = guard("guarded", 1)
    assert names(preemption(important(cpu="1"), snapshot)) == ["guarded"]


def test_the_node_that_breaks_the_fewest_budgets_is_chosen_but_one_is() -> None:
    snapshot = cluster(node("a", cpu="1"))
    snapshot.put(labelled("guarded", 1), "a")
    snapshot.budgets["guarded"] = guard("guarded", 0)
    found = preemption(important(cpu="1"), snapshot)
    assert found is not None
    assert (names(found), found.broken) == (["guarded"], 1)
    snapshot.set_node(node("b", cpu="1"))
    snapshot.put(labelled("dear", 50), "b")
    assert names(preemption(important(cpu="1"), snapshot)) == ["dear"]


def test_a_pod_that_may_not_preempt_does_not() -> None:
    snapshot = cluster(node("n", cpu="1"))
    snapshot.put(pod("low", cpu="1", priority=1), "n")
    polite = pod("polite", cpu="1", priority=100, preemptionPolicy="Never")
    assert preemption(polite, snapshot) is None


def test_the_room_that_is_being_made_is_not_taken_by_the_less_important() -> None:
    snapshot, cycle = cluster(node("n", cpu="2")), Cycle(default_plugins())
    snapshot.nominate(important(), "n")
    assert isinstance(cycle.decide(pod("late", cpu="1", priority=1), snapshot, 0.0), Unschedulable)
    assert cycle.decide(pod("more", cpu="1", priority=200), snapshot, 0.0) == Placement("n")
    assert cycle.decide(important(), snapshot, 0.0) == Placement("n")
    snapshot.forget_nomination(important().key)
    assert cycle.decide(pod("late", cpu="1", priority=1), snapshot, 0.0) == Placement("n")


def test_while_the_victims_are_going_nobody_else_has_to() -> None:
    snapshot = cluster(node("n", cpu="2"))
    going = pod("going", cpu="1", priority=1)
    meta = msgspec.structs.replace(going.pod.metadata, deletion_timestamp="2020-01-01T00:00:00Z")
    snapshot.put(facts_of(going.key, msgspec.structs.replace(going.pod, metadata=meta)), "n")
    snapshot.put(pod("other", cpu="1", priority=1), "n")
    snapshot.nominate(important(), "n")
    decision = Cycle(default_plugins()).decide(important(), snapshot, 0.0)
    assert isinstance(decision, Unschedulable)
    assert decision.preemption is None
    assert "terminating pod on the nominated node" in decision.message


@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from(["1", "2"]), st.sampled_from("ab")), max_size=8))
def test_victims_are_less_important_necessary_and_sufficient(placed: list[tuple[int, str, str]]) -> None:
    snapshot = cluster(node("a", cpu="4"), node("b", cpu="4"))
    for number, (priority, cpu, home) in enumerate(placed):
        if snapshot.nodes[home].requested["cpu"] + int(cpu) * 1000 <= 4000:
            snapshot.put(pod(f"p{number}", cpu=cpu, priority=priority), home)
    facts = important(cpu="3")
    decision = Cycle(default_plugins()).decide(facts, snapshot, 0.0)
    if not isinstance(decision, Unschedulable) or decision.preemption is None:
        return
    found = decision.preemption
    assert all(each.priority < 100 for each in found.victims)
    free = 4000 - snapshot.nodes[found.node].requested["cpu"]
    freed = [each.requests["cpu"] for each in found.victims]
    assert free + sum(freed) >= 3000
    assert all(free + sum(freed) - one < 3000 for one in freed)


def test_an_important_pod_gets_its_place_and_everybody_is_told() -> None:
    async def scenario() -> None:
        async with scheduling() as (rest, env):
            body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}}
            classes = Resource("scheduling.k8s.io", "v1", "priorityclasses")
            await rest.create(classes, "", body | {"value": 1000})
            await add_node(rest, "n1", cpu="1")
            await add_pod(rest, "low")
            await env.sleep(1)
            await add_pod(rest, "high", priorityClassName="high")
            await env.sleep(0.5)
            high = (await rest.get(PODS, "default", "high")).object
            assert high["status"]["nominatedNodeName"] == "n1"
            low = (await rest.get(PODS, "default", "low")).object
            assert "deletionTimestamp" in low["metadata"]
            reasons = {each["type"]: each.get("reason") for each in low["status"]["conditions"]}
            assert reasons["DisruptionTarget"] == "PreemptionByScheduler"
            assert await events(rest, "Preempted") == [f"Preempted by pod {high['metadata']['uid']} on node n1"]
            await rest.delete(PODS, "default", "low", grace=0)
            await env.sleep(15)
            assert await node_of(rest, "high") == "n1"

    run(scenario())


def test_the_scheduler_knows_the_budgets_of_the_api() -> None:
    async def scenario() -> None:
        async with scheduling() as (rest, env):
            body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}}
            classes = Resource("scheduling.k8s.io", "v1", "priorityclasses")
            await rest.create(classes, "", body | {"value": 1000})
            selector = {"matchLabels": {"app": "guarded"}}
            budget = {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": selector}}
            kind = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"}
            await rest.create(PODDISRUPTIONBUDGETS, "default", kind | budget)
            await add_node(rest, "n1", cpu="2")
            for name in ("free", "guarded"):
                await add_pod(rest, name)
                await rest.patch(PODS, "default", name, {"metadata": {"labels": {"app": name}}})
            await env.sleep(1)
            await add_pod(rest, "high", priorityClassName="high")
            await env.sleep(0.5)
            going = {name: (await rest.get(PODS, "default", name)).object for name in ("free", "guarded")}
            assert [name for name, body in going.items() if "deletionTimestamp" in body["metadata"]] == ["free"]

    run(scenario())


def test_a_victim_is_told_why_before_it_goes_and_the_pod_gets_its_room_though_most_writes_fail() -> None:
    async def scenario() -> None:
        async with scheduling(Faults(conflict=0.4, too_many=0.2)) as (rest, env):
            body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}}
            await rest.create(Resource("scheduling.k8s.io", "v1", "priorityclasses"), "", body | {"value": 1000})
            for number in range(4):
                await add_node(rest, f"n{number}", cpu="1")
                await add_pod(rest, f"low{number}")
            await env.sleep(30)
            for number in range(4):
                await add_pod(rest, f"high{number}", priorityClassName="high")
            await env.sleep(600)
            for number in range(4):
                low = (await rest.get(PODS, "default", f"low{number}")).object
                reasons = {each["type"]: each.get("reason") for each in low["status"]["conditions"]}
                assert "deletionTimestamp" in low["metadata"]
                assert reasons["DisruptionTarget"] == "PreemptionByScheduler"

    run(scenario())


@pytest.mark.parametrize("still_there", [True, False])
def test_nobody_goes_for_a_pod_that_is_gone_though_the_scheduler_has_not_heard_of_it(still_there: bool) -> None:
    async def scenario() -> None:
        env = SimulatedEnv(1)
        async with api_server(Config(), env) as server:
            transport = server.transport("kubernetes-admin", ("system:masters",))
            rest, known = Rest(transport), Informer(transport, PODS, env)
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
            await rest.create(SERVICEACCOUNTS, "default", account)
            for name in ("low", "high"):
                await add_pod(rest, name)
            async with Supervisor() as tasks:
                tasks.start("informer", known.run())
                await known.wait_synced()
            if not still_there:
                await rest.delete(PODS, "default", "high", grace=0)
            low, high = (facts_of(each.key, each.view) for each in reversed(known.list("default")))
            writer = Writer(rest, EventRecorder(transport, env, "scheduler"), env, known, lambda line: None)
            assert await writer.explain(high, Unschedulable("no room", Preemption("n1", (low,))))
            left = [each.head.name for each in (await rest.transport.list(PODS, namespace="default")).items]
            assert left == (["high"] if still_there else ["low"])

    run(scenario())
