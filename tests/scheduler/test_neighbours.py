"""Pods that mind their neighbours: affinity, anti-affinity, spreading."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.kinds.meta import LabelSelector
from podling.scheduler.cycle import Cycle, Placement, Unschedulable
from podling.scheduler.plugins import default_plugins
from podling.scheduler.snapshot import PodFacts, Snapshot, facts_of
from tests.scheduler.nodes import cluster, node, pod

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"


def zones() -> Snapshot:
    """Two zones of two nodes, and a node that is nowhere."""
    places = [("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b")]
    return cluster(*(node(name, labels={ZONE: zone, HOST: name}) for name, zone in places), node("nowhere", pods="0"))


def labelled(name: str, labels: dict[str, str], namespace: str = "default", **spec: Any) -> PodFacts:
    facts = pod(name, **spec)
    meta = msgspec.structs.replace(facts.pod.metadata, labels=labels, namespace=namespace)
    return facts_of(f"core/pods/{namespace}/{name}", msgspec.structs.replace(facts.pod, metadata=meta))


def term(key: str = ZONE, app: str = "db", **more: Any) -> dict[str, Any]:
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}} | more


def near(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


def far(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


def possible(facts: PodFacts, snapshot: Snapshot) -> set[str]:
    """The nodes among which chance would decide."""
    decisions = [Cycle(default_plugins()).decide(facts, snapshot, number / 10) for number in range(10)]
    return {each.node for each in decisions if isinstance(each, Placement)}


def refusal(facts: PodFacts, snapshot: Snapshot) -> str:
    decision = Cycle(default_plugins()).decide(facts, snapshot, 0.0)
    assert isinstance(decision, Unschedulable)
    return decision.message


def test_affinity_leads_into_the_zone_of_the_other() -> None:
    snapshot = zones()
    snapshot.put(labelled("db", {"app": "db"}), "b1")
    assert possible(labelled("web", {}, affinity=near(term())), snapshot) <= {"b1", "b2"}


def test_affinity_to_nobody_is_refused_unless_the_pod_is_the_first_of_its_own_group() -> None:
    snapshot = zones()
    said = refusal(labelled("web", {}, affinity=near(term())), snapshot)
    assert "4 node(s) didn't match pod affinity rules" in said
    assert possible(labelled("db", {"app": "db"}, affinity=near(term())), snapshot)


def test_anti_affinity_keeps_replicas_on_different_hosts_until_none_is_left() -> None:
    snapshot = zones()
    homes = []
    for number in range(4):
        facts = labelled(f"db{number}", {"app": "db"}, affinity=far(term(HOST)))
        decision = Cycle(default_plugins()).decide(facts, snapshot, 0.0)
        assert isinstance(decision, Placement)
        snapshot.put(facts, decision.node)
        homes.append(decision.node)
    assert sorted(homes) == ["a1", "a2", "b1", "b2"]
    said = refusal(labelled("db5", {"app": "db"}, affinity=far(term(HOST))), snapshot)
    assert "4 node(s) didn't match pod anti-affinity rules" in said
    assert "4 No preemption victims found for incoming pod" in said


def test_a_placed_pods_anti_affinity_holds_against_the_newcomer() -> None:
    snapshot = zones()
    loner = labelled("loner", {}, affinity=far(term(app="web")))
    snapshot.put(loner, "a1")
    web = labelled("web", {"app": "web"})
    assert possible(web, snapshot) == {"b1", "b2"}
    for name in ("b1", "b2"):
        snapshot.remove_node(name)
    assert "2 node(s) didn't satisfy existing pods anti-affinity rules" in refusal(web, snapshot)
    snapshot.take(loner.key)
    assert possible(web, snapshot)


NAMESPACES = [
    ("its own by default", {}, False),
    ("one that is named", {"namespaces": ["other"]}, True),
    ("one that is selected", {"namespaceSelector": {"matchLabels": {"team": "x"}}}, True),
    ("all", {"namespaceSelector": {}}, True),
    ("none that is selected", {"namespaceSelector": {"matchLabels": {"team": "y"}}}, False),
]


@pytest.mark.parametrize(("more", "found"), [case[1:] for case in NAMESPACES], ids=[case[0] for case in NAMESPACES])
def test_a_term_speaks_about_certain_namespaces(more: dict[str, Any], found: bool) -> None:
    snapshot = zones()
    snapshot.set_namespace("default", {})
    snapshot.set_namespace("other", {"team": "x"})
    snapshot.put(labelled("db", {"app": "db"}, "other"), "b1")
    assert bool(possible(labelled("web", {}, affinity=near(term(**more))), snapshot)) == found


def test_a_preference_decides_between_equals_and_never_refuses() -> None:
    preferred = {"weight": 100, "podAffinityTerm": term()}
    wish = {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preferred]}}
    snapshot = zones()
    assert possible(labelled("web", {}, affinity=wish), snapshot) == {"a1", "a2", "b1", "b2"}
    snapshot.put(labelled("db", {"app": "db"}), "b1")
    assert possible(labelled("web", {}, affinity=wish), snapshot) == {"b2"}


def constraint(key: str = ZONE, skew: int = 1, hard: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "maxSkew": skew,
        "topologyKey": key,
        "whenUnsatisfiable": "DoNotSchedule" if hard else "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "web"}},
    } | more


def test_a_hard_constraint_never_lets_the_difference_exceed_its_skew() -> None:
    snapshot = zones()
    counts = {"a": 0, "b": 0}
    for number in range(9):
        facts = labelled(f"w{number}", {"app": "web"}, topologySpreadConstraints=[constraint()])
        decision = Cycle(default_plugins()).decide(facts, snapshot, 0.0)
        assert isinstance(decision, Placement)
        snapshot.put(facts, decision.node)
        counts[decision.node[0]] += 1
        assert abs(counts["a"] - counts["b"]) <= 1


def test_a_full_domain_holds_the_others_back() -> None:
    snapshot = cluster(node("a", labels={ZONE: "a"}), node("b", labels={ZONE: "b"}, pods="0"))
    snapshot.put(labelled("w0", {"app": "web"}), "a")
    facts = labelled("w1", {"app": "web"}, topologySpreadConstraints=[constraint()])
    assert "1 node(s) didn't match pod topology spread constraints" in refusal(facts, snapshot)


def test_a_node_without_the_label_is_refused_by_a_hard_constraint() -> None:
    facts = labelled("w", {"app": "web"}, topologySpreadConstraints=[constraint()])
    said = refusal(facts, cluster(node("n")))
    assert said.startswith(
        "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label)."
    )


def test_nodes_that_the_pod_could_never_use_do_not_count() -> None:
    snapshot = cluster(node("a", labels={ZONE: "a", "disk": "ssd"}), node("b", labels={ZONE: "b"}))
    snapshot.put(labelled("w0", {"app": "web"}), "a")
    selecting: dict[str, Any] = {"topologySpreadConstraints": [constraint()], "nodeSelector": {"disk": "ssd"}}
    assert possible(labelled("w1", {"app": "web"}, **selecting), snapshot) == {"a"}


def test_with_too_few_domains_the_emptiest_counts_as_empty() -> None:
    snapshot = cluster(node("a", labels={ZONE: "a"}))
    snapshot.put(labelled("w0", {"app": "web"}), "a")
    free = labelled("w1", {"app": "web"}, topologySpreadConstraints=[constraint()])
    assert possible(free, snapshot) == {"a"}
    held = labelled("w2", {"app": "web"}, topologySpreadConstraints=[constraint(minDomains=2)])
    assert "topology spread constraints" in refusal(held, snapshot)


def test_a_soft_constraint_prefers_the_emptier_domain() -> None:
    snapshot = zones()
    for number in range(3):
        snapshot.put(labelled(f"w{number}", {"app": "web"}), "a1")
    snapshot.put(labelled("other", {"app": "x"}), "b1")
    facts = labelled("w", {"app": "web"}, topologySpreadConstraints=[constraint(hard=False)])
    assert possible(facts, snapshot) == {"b2"}


def test_a_workload_that_says_nothing_is_spread_over_hosts_and_zones() -> None:
    snapshot = zones()
    snapshot.selector_of = lambda pod: LabelSelector(match_labels={"app": "web"})
    homes = []
    for number in range(4):
        facts = labelled(f"w{number}", {"app": "web"})
        decision = Cycle(default_plugins()).decide(facts, snapshot, 0.0)
        assert isinstance(decision, Placement)
        snapshot.put(facts, decision.node)
        homes.append(decision.node)
    assert sorted(homes) == ["a1", "a2", "b1", "b2"]
    assert {homes[0][0], homes[1][0]} == {"a", "b"}


def test_preemption_thinks_neighbours_away_with_their_wishes_and_counts() -> None:
    snapshot = cluster(node("a", labels={ZONE: "a"}))
    loner = labelled("loner", {"app": "db"}, affinity=far(term(app="web")), priority=1)
    snapshot.put(loner, "a")
    web = labelled("web", {"app": "web"}, affinity=far(term(app="db")), priority=100)
    decision = Cycle(default_plugins()).decide(web, snapshot, 0.0)
    assert isinstance(decision, Unschedulable)
    assert decision.preemption is not None
    assert [each.key for each in decision.preemption.victims] == [loner.key]


wishes = st.sampled_from(
    [
        {},
        {"affinity": far(term(HOST, app="web"))},
        {"affinity": near(term(ZONE, app="web"))},
        {
            "affinity": {
                "podAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 7, "podAffinityTerm": term(ZONE, app="db")}
                    ]
                }
            }
        },
        {"topologySpreadConstraints": [constraint()]},
        {"topologySpreadConstraints": [constraint(hard=False), constraint(HOST, 2)]},
        {"topologySpreadConstraints": [constraint(nodeTaintsPolicy="Honor")], "nodeSelector": {"disk": "ssd"}},
    ]
)
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("pod"), wishes, st.sampled_from(["web", "db"])),
        st.tuples(st.just("gone"), st.integers(0, 9), st.just("")),
        st.tuples(st.just("going"), st.integers(0, 9), st.just("")),
        st.tuples(st.just("node"), st.sampled_from(["a1", "b2", "c1"]), st.sampled_from(["a", "b", "c"])),
        st.tuples(st.just("vanish"), st.sampled_from(["a1", "b1"]), st.just("")),
    ),
    max_size=25,
)


@given(happenings, st.floats(0, 0.999))
def test_what_is_counted_by_small_changes_decides_like_what_is_counted_anew(
    history: list[tuple[str, Any, str]], chance: float
) -> None:
    snapshot, cycle = zones(), Cycle(default_plugins())
    placed: dict[str, tuple[PodFacts, str]] = {}
    for number, (what, value, more) in enumerate(history):
        match what:
            case "pod":
                facts = labelled(f"p{number}", {"app": more}, **value)
                decision = cycle.decide(facts, snapshot, chance)
                assert decision == Cycle(default_plugins()).decide(facts, anew(snapshot, placed), chance)
                if isinstance(decision, Placement):
                    placed[facts.key] = (facts, decision.node)
                    snapshot.put(*placed[facts.key])
            case "gone" | "going" if value < len(placed):
                key = [*placed][value]
                facts, home = placed.pop(key)
                snapshot.take(key)
                if what == "going":
                    meta = msgspec.structs.replace(facts.pod.metadata, deletion_timestamp="2026-01-01T00:00:00Z")
                    facts = facts_of(key, msgspec.structs.replace(facts.pod, metadata=meta))
                    placed[key] = (facts, home)
                    snapshot.put(facts, home)
            case "node":
                snapshot.set_node(node(value, labels={ZONE: more, HOST: value, "disk": "ssd"}))
            case "vanish":
                snapshot.remove_node(value)


def anew(snapshot: Snapshot, placed: dict[str, tuple[PodFacts, str]]) -> Snapshot:
    """The same world, counted from nothing."""
    fresh = cluster(*(each.node for each in snapshot.nodes.values()))
    for facts, home in placed.values():
        fresh.put(facts, home)
    return fresh
