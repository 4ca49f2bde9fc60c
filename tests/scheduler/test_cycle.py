"""Where a Pod goes, and in upstream's words why nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.scheduler.cycle import Cycle, Placement, Unschedulable
from podling.scheduler.plugins import default_plugins
from podling.scheduler.snapshot import PodFacts, Snapshot
from tests.scheduler.nodes import cluster, node, pod

PREEMPTION = "no new claims to deallocate, preemption:"
NO_VICTIMS = f"{PREEMPTION} 0/1 nodes are available: 1 No preemption victims found for incoming pod."
NO_HELP = f"{PREEMPTION} 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}


def decide(facts: PodFacts, snapshot: Snapshot, chance: float = 0.0) -> Placement | Unschedulable:
    return Cycle(default_plugins()).decide(facts, snapshot, chance)


def message(facts: PodFacts, snapshot: Snapshot) -> str:
    decision = decide(facts, snapshot)
    assert isinstance(decision, Unschedulable)
    return decision.message


def affinity(*terms: Any) -> dict[str, Any]:
    required = {"nodeSelectorTerms": list(terms)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


REFUSALS = [
    ("too much cpu", pod("p", cpu="5"), node("n"), f"0/1 nodes are available: 1 Insufficient cpu. {NO_HELP}"),
    (
        "cpu and memory",
        pod("p", cpu="5", memory="9Gi"),
        node("n"),
        f"0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory. {NO_HELP}",
    ),
    ("no pods allowed", pod("p"), node("n", pods="0"), f"0/1 nodes are available: 1 Too many pods. {NO_HELP}"),
    (
        "a selector",
        pod("p", nodeSelector={"disk": "ssd"}),
        node("n"),
        f"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. {NO_HELP}",
    ),
    (
        "a taint",
        pod("p"),
        node("n", taints=[TAINT]),
        f"0/1 nodes are available: 1 node(s) had untolerated taint(s). {NO_HELP}",
    ),
    (
        "a cordon",
        pod("p"),
        node("n", unschedulable=True),
        f"0/1 nodes are available: 1 node(s) were unschedulable. {NO_HELP}",
    ),
    (
        "preemption forbidden",
        pod("p", cpu="5", preemptionPolicy="Never"),
        node("n"),
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: not eligible due to "
        "preemptionPolicy=Never.",
    ),
]


@pytest.mark.parametrize(("facts", "where", "said"), [c[1:] for c in REFUSALS], ids=[c[0] for c in REFUSALS])
def test_a_refusal_is_told_in_upstreams_words(facts: PodFacts, where: Any, said: str) -> None:
    assert message(facts, cluster(where)) == said


def test_a_full_node_might_be_helped_by_preemption_but_has_no_victims() -> None:
    snapshot = cluster(node("n"))
    snapshot.put(pod("there", cpu="3", port=8080), "n")
    assert message(pod("p", cpu="2"), snapshot) == f"0/1 nodes are available: 1 Insufficient cpu. {NO_VICTIMS}"
    ports = f"0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. {NO_VICTIMS}"
    assert message(pod("p", port=8080), snapshot) == ports


def test_reasons_are_counted_over_all_nodes() -> None:
    snapshot = cluster(node("a", cpu="1"), node("b", cpu="1"), node("c", taints=[TAINT]))
    assert message(pod("p", cpu="2"), snapshot) == (
        f"0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. {PREEMPTION} "
        "0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )


def test_without_nodes_there_is_nothing_to_count() -> None:
    assert message(pod("p"), Snapshot()) == "no nodes available to schedule pods"


FITTING = [
    ("a toleration", {"tolerations": [{"key": "dedicated", "operator": "Exists"}]}, "tainted"),
    ("a matching selector", {"nodeSelector": {"disk": "ssd"}}, "labelled"),
    ("In", {"affinity": affinity(expression("disk", "In", "ssd", "nvme"))}, "labelled"),
    ("one of two terms", {"affinity": affinity(expression("x", "Exists"), expression("disk", "Exists"))}, "labelled"),
    ("Gt", {"affinity": affinity(expression("cores", "Gt", "7"))}, "labelled"),
    (
        "a node by its name",
        {"affinity": affinity({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["labelled"]}]})},
        "labelled",
    ),
]


@pytest.mark.parametrize(("spec", "wanted"), [c[1:] for c in FITTING], ids=[c[0] for c in FITTING])
def test_a_pod_goes_where_it_may(spec: dict[str, Any], wanted: str) -> None:
    nodes = {
        "tainted": node("tainted", taints=[TAINT]),
        "labelled": node("labelled", labels={"disk": "ssd", "cores": "8"}),
    }
    full = node("plain", cpu="0")
    assert decide(pod("p", cpu="1", **spec), cluster(nodes[wanted], full)) == Placement(wanted)


def test_an_empty_affinity_term_matches_nothing() -> None:
    assert "node affinity/selector" in message(pod("p", affinity=affinity({})), cluster(node("n")))


def test_the_emptier_node_is_preferred() -> None:
    snapshot = cluster(node("busy"), node("idle"))
    snapshot.put(pod("there", cpu="2", memory="4Gi"), "busy")
    assert decide(pod("p", cpu="1", memory="1Gi"), snapshot) == Placement("idle")


def test_a_soft_taint_makes_a_node_second_choice_only() -> None:
    soft = {"key": "x", "effect": "PreferNoSchedule"}
    assert decide(pod("p"), cluster(node("soft", taints=[soft]), node("plain"))) == Placement("plain")
    assert decide(pod("p"), cluster(node("soft", taints=[soft]))) == Placement("soft")


def test_preferred_affinity_decides_between_equal_nodes() -> None:
    term = {"weight": 10, "preference": expression("disk", "Exists")}
    spec = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}
    snapshot = cluster(node("a"), node("b", labels={"disk": "ssd"}))
    assert decide(pod("p", affinity=spec), snapshot) == Placement("b")


def test_chance_decides_between_equals() -> None:
    snapshot = cluster(node("a"), node("b"))
    assert {decide(pod("p"), snapshot, chance) for chance in (0.0, 0.99)} == {Placement("a"), Placement("b")}


def test_an_assumed_pod_counts_for_the_next_decision_and_a_failed_one_no_longer() -> None:
    snapshot, cycle = cluster(node("n", cpu="1")), Cycle(default_plugins())
    first, second = pod("first", cpu="1"), pod("second", cpu="1")
    assert cycle.decide(first, snapshot, 0.0) == Placement("n")
    snapshot.put(first, "n")
    assert isinstance(cycle.decide(second, snapshot, 0.0), Unschedulable)
    snapshot.take(first.key)
    assert cycle.decide(second, snapshot, 0.0) == Placement("n")


def test_a_large_cluster_is_sampled_and_every_node_gets_its_turn() -> None:
    snapshot, cycle = cluster(*(node(f"n{number:04}", pods="1") for number in range(300))), Cycle(default_plugins())
    for number in range(300):
        facts = pod(f"p{number}")
        decision = cycle.decide(facts, snapshot, 0.5)
        assert isinstance(decision, Placement)
        snapshot.put(facts, decision.node)
    assert all(len(each.pods) == 1 for each in snapshot.nodes.values())
    assert isinstance(cycle.decide(pod("one more"), snapshot, 0.5), Unschedulable)


shapes = st.sampled_from(
    [
        {"cpu": "500m"},
        {"cpu": "1", "memory": "2Gi"},
        {"port": 8080},
        {"tolerations": [{"operator": "Exists"}]},
        {"nodeSelector": {"disk": "ssd"}},
    ]
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("pod"), shapes),
        st.tuples(st.just("gone"), st.integers(0, 20)),
        st.tuples(st.just("node"), st.sampled_from(["a", "b", "c"])),
        st.tuples(st.just("taint"), st.sampled_from(["a", "b", "c"])),
        st.tuples(st.just("vanish"), st.sampled_from(["a", "b", "c"])),
    ),
    max_size=25,
)


@given(steps, st.floats(0, 0.999))
def test_remembered_rankings_decide_like_fresh_ones(history: list[tuple[str, Any]], chance: float) -> None:
    """The cache of rankings is an optimisation: no sequence of changes makes it decide otherwise."""
    snapshot, cycle = cluster(node("a"), node("b", labels={"disk": "ssd"})), Cycle(default_plugins())
    placed: list[PodFacts] = []
    for number, (what, value) in enumerate(history):
        match what:
            case "pod":
                facts = pod(f"p{number}", **value)
                decision = cycle.decide(facts, snapshot, chance)
                assert decision == decide(facts, snapshot, chance)
                if isinstance(decision, Placement):
                    snapshot.put(facts, decision.node)
                    placed.append(facts)
            case "gone":
                if value < len(placed):
                    snapshot.take(placed[value].key)
            case "node":
                snapshot.set_node(node(value))
            case "taint":
                snapshot.set_node(node(value, taints=[TAINT | {"effect": "PreferNoSchedule"}]))
            case "vanish":
                snapshot.remove_node(value)


@given(steps)
def test_a_snapshot_kept_by_small_changes_equals_one_made_anew(history: list[tuple[str, Any]]) -> None:
    snapshot = cluster(node("a"), node("b"))
    homes: dict[str, tuple[PodFacts, str]] = {}
    for number, (what, value) in enumerate(history):
        match what:
            case "pod":
                facts = pod(f"p{number % 7}", **value)
                homes[facts.key] = (facts, "abc"[number % 3])
                snapshot.put(*homes[facts.key])
            case "gone":
                homes.pop(f"core/pods/default/p{value}", None)
                snapshot.take(f"core/pods/default/p{value}")
            case "node" | "taint":
                snapshot.set_node(node(value))
            case "vanish":
                snapshot.remove_node(value)
    fresh = cluster(*(each.node for each in snapshot.nodes.values()))
    for facts, home in homes.values():
        fresh.put(facts, home)
    for name, each in snapshot.nodes.items():
        other = fresh.nodes[name]
        assert each.pods == other.pods
        assert +each.requested == +other.requested
        assert +each.used == +other.used
        assert +each.ports == +other.ports
