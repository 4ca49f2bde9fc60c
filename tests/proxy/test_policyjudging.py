"""Judging what changed gives what judging everything gives, in steps that are short."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from podling.proxy.policies import Inhabitant, Judgement
from podling.proxy.policyjudging import Judging, PodKey, judge
from podling.proxy.policytext import written

NAMESPACES, APPS = ("shop", "tools", "bare"), ("db", "api")
PORTS = (("http", "TCP", 8080), ("http", "TCP", 9090), ("dns", "UDP", 53))

some_labels = st.fixed_dictionaries({}, optional={"app": st.sampled_from(APPS), "team": st.sampled_from("ab")})
selectors: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    some_labels.map(lambda labels: {"matchLabels": labels}),
    st.sampled_from(("Exists", "DoesNotExist")).map(
        lambda operator: {"matchExpressions": [{"key": "team", "operator": operator}]}
    ),
)
peers = st.one_of(
    st.fixed_dictionaries({"podSelector": selectors}, optional={"namespaceSelector": selectors}),
    st.fixed_dictionaries({"namespaceSelector": selectors}),
    st.sampled_from(({"cidr": "10.244.0.0/29"}, {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]})).map(
        lambda block: {"ipBlock": block}
    ),
)
ports = st.sampled_from(
    ({"port": 80}, {"port": "http", "protocol": "TCP"}, {"port": "dns", "protocol": "UDP"}, {"protocol": "SCTP"})
)


def rules(named: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    several = {named: st.lists(peers, max_size=2), "ports": st.lists(ports, max_size=2)}
    return st.lists(st.fixed_dictionaries({}, optional=several), max_size=2)


policies = st.fixed_dictionaries(
    {
        "podSelector": selectors,
        "policyTypes": st.sampled_from((["Ingress"], ["Egress"], ["Ingress", "Egress"])),
        "ingress": rules("from"),
        "egress": rules("to"),
    }
)
pods = st.builds(
    lambda labels, number, ports: (labels, f"10.244.0.{number}", tuple(ports)),
    some_labels,
    st.integers(2, 9),
    st.lists(st.sampled_from(PORTS), max_size=2),
)
"""Few addresses: one that was given up is soon another Pod's, and sometimes two have the same for a moment."""
changes = st.one_of(
    st.tuples(st.just("policy"), st.sampled_from(NAMESPACES), st.sampled_from("xyz"), st.none() | policies),
    st.tuples(st.just("pod"), st.sampled_from(NAMESPACES), st.sampled_from("abcd"), st.none() | pods),
    st.tuples(st.just("namespace"), st.sampled_from(NAMESPACES), st.just(""), some_labels),
)


class World:
    """What there is, beside a judging that was told of every change."""

    def __init__(self) -> None:
        self.judging = Judging()
        self.policies: dict[PodKey, dict[str, Any]] = {}
        self.pods: dict[PodKey, Inhabitant] = {}
        self.namespaces: dict[str, dict[str, str]] = {}

    def change(self, what: str, namespace: str, name: str, now: Any) -> None:
        key = namespace, name
        if what == "namespace":
            self.namespaces[namespace] = now
            self.judging.namespace(namespace, now)
        elif what == "policy":
            self._put(self.policies, key, now and {"spec": now})
            self.judging.policy(key, self.policies.get(key))
        else:
            self._put(self.pods, key, now and Inhabitant(namespace, *now))
            self.judging.pod(key, self.pods.get(key))

    @staticmethod
    def _put(known: dict[PodKey, Any], key: PodKey, now: Any) -> None:
        known.pop(key, None)
        if now:
            known[key] = now

    def judged(self) -> Judgement:
        for _ in self.judging.steps():
            pass
        return self.judging.judgement

    def from_scratch(self) -> Judgement:
        return judge(self.policies, self.pods.values(), self.namespaces)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(changes, st.booleans()), min_size=1, max_size=30))
def test_after_any_changes_the_judgement_is_the_one_from_scratch(history: list[tuple[Any, bool]]) -> None:
    world = World()
    for change, look in history:
        world.change(*change)
        if look:
            assert world.judged() == world.from_scratch()
    assert world.judged() == world.from_scratch()
    assert list(written(world.judged(), "172.31.0.0/24")) == list(written(world.from_scratch(), "172.31.0.0/24"))


def test_what_no_policy_sees_leaves_the_judgement_as_it_is() -> None:
    world = World()
    world.change("policy", "shop", "x", {"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{}]})
    world.change("pod", "shop", "a", ({"app": "db"}, "10.244.0.2"))
    before = world.judged()
    assert before.ingress.isolated == {"10.244.0.2": (("shop", "x"),)}
    for change in (
        ("pod", "shop", "b", ({"app": "api"}, "10.244.0.3")),
        ("pod", "tools", "a", ({"app": "db"}, "10.244.0.4")),
        ("namespace", "shop", "", {"team": "a"}),
    ):
        world.change(*change)
        assert list(world.judging.steps()) == []
        assert world.judged() is before


def test_a_change_is_judged_by_those_that_see_it_and_by_no_others() -> None:
    """The steps of one policy among a hundred, as a figure that no machine changes."""
    world = World()
    only_own: dict[str, Any] = {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}
    for number in range(100):
        world.change("policy", f"ns{number}", "x", only_own)
        world.change("pod", f"ns{number}", "a", ({}, f"10.244.1.{number + 2}"))
    all_steps = sum(1 for _ in world.judging.steps())
    world.change("pod", "ns7", "b", ({}, "10.244.2.2"))
    assert sum(1 for _ in world.judging.steps()) * 100 <= all_steps
    assert world.judged() == world.from_scratch()
