"""NetworkPolicies to addresses: who is isolated, and what passes all the same."""

from __future__ import annotations

from typing import Any

import pytest

from podling.proxy.policies import Inhabitant, Judgement, permits
from podling.proxy.policyjudging import judge
from podling.proxy.policytext import TABLE, written

DB, API, CLIENT, OTHER, STRANGER = (f"10.244.0.{n}" for n in range(2, 7))
HTTP, DNS = ("http", "TCP", 8080), ("dns", "UDP", 53)
NAMESPACES = {"shop": {"team": "shop"}, "tools": {"team": "tools"}, "bare": {}}
PODS = (
    Inhabitant("shop", {"app": "db"}, DB, (HTTP,)),
    Inhabitant("shop", {"app": "api"}, API, (("http", "TCP", 9090), DNS)),
    Inhabitant("shop", {"app": "client"}, CLIENT),
    Inhabitant("tools", {"app": "client"}, OTHER),
    Inhabitant("bare", {"app": "client"}, STRANGER),
)
EVERY = {"podSelector": {}}


def policy(selector: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """As the API keeps it, with its defaults."""
    types = ["Ingress", "Egress"] if "egress" in spec else ["Ingress"]
    return {"spec": {"podSelector": {"matchLabels": selector or {}}, "policyTypes": types, **spec}}


def judged(*policies: dict[str, Any], namespace: str = "shop") -> Judgement:
    return judge({(namespace, f"p{number}"): each for number, each in enumerate(policies)}, PODS, NAMESPACES)


def heard(judgement: Judgement, target: str, port: int = 8080, protocol: str = "TCP") -> set[str]:
    """Who reaches a port of a Pod; the Pod itself always does."""
    return {pod.address for pod in PODS if permits(judgement, pod.address, (target, port), protocol)} - {target}


ALL = {DB, API, CLIENT, OTHER, STRANGER}


def test_without_a_policy_everything_passes_and_no_rule_is_written() -> None:
    assert heard(judged(), DB) == ALL - {DB}
    assert "".join(written(judged(), "172.31.0.0/24")) == f"add table ip {TABLE}\ndelete table ip {TABLE}\n"


def test_a_policy_without_rules_isolates_its_pods_and_no_others() -> None:
    found = judged(policy({"app": "db"}))
    assert heard(found, DB) == set()
    assert heard(found, API) == ALL - {API}
    assert permits(found, DB, (DB, 8080), "TCP")


def test_an_empty_selector_is_every_pod_of_the_namespace() -> None:
    found = judged(policy())
    assert [heard(found, each) for each in (DB, API, CLIENT)] == [set()] * 3
    assert heard(found, OTHER) == ALL - {OTHER}


def test_an_empty_rule_lets_everybody_in() -> None:
    assert heard(judged(policy({"app": "db"}, ingress=[{}])), DB) == ALL - {DB}


@pytest.mark.parametrize(
    ("peer", "who"),
    [
        ({"podSelector": {"matchLabels": {"app": "client"}}}, {CLIENT}),
        ({"namespaceSelector": {"matchLabels": {"team": "tools"}}}, {OTHER}),
        ({"namespaceSelector": {}}, ALL - {DB}),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "client"}}}, {CLIENT, OTHER, STRANGER}),
        ({"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}}, {STRANGER}),
        ({"podSelector": {"matchLabels": {"app": "nobody"}}}, set()),
        ({"ipBlock": {"cidr": "10.244.0.0/29"}}, ALL - {DB}),
        ({"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.0.4/31", "10.1.0.0/16"]}}, {API, STRANGER}),
        ({"ipBlock": {"cidr": "fd00::/8"}}, set()),
    ],
)
def test_peers_are_pods_by_selectors_or_addresses(peer: dict[str, Any], who: set[str]) -> None:
    assert heard(judged(policy({"app": "db"}, ingress=[{"from": [peer]}])), DB) == who


def test_peers_of_a_rule_and_policies_of_a_pod_add_up() -> None:
    first = policy({"app": "db"}, ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "api"}}}]}])
    second = policy(ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"team": "tools"}}}]}])
    assert heard(judged(first, second), DB) == {API, OTHER}


@pytest.mark.parametrize(
    ("port", "passes", "stays"),
    [
        ({"port": 8080, "protocol": "TCP"}, [(8080, "TCP")], [(8081, "TCP"), (8080, "UDP")]),
        ({"protocol": "UDP"}, [(1, "UDP"), (65535, "UDP")], [(8080, "TCP")]),
        ({"port": 8000, "endPort": 8080, "protocol": "TCP"}, [(8000, "TCP"), (8080, "TCP")], [(8081, "TCP")]),
        ({"port": "http", "protocol": "TCP"}, [(8080, "TCP")], [(9090, "TCP"), (8080, "UDP")]),
        ({"port": "nameless", "protocol": "TCP"}, [], [(8080, "TCP")]),
    ],
)
def test_ports_are_numbers_ranges_names_or_whole_protocols(
    port: dict[str, Any], passes: list[tuple[int, str]], stays: list[tuple[int, str]]
) -> None:
    found = judged(policy({"app": "db"}, ingress=[{"ports": [port]}]))
    assert all(heard(found, DB, *each) == ALL - {DB} for each in passes)
    assert all(heard(found, DB, *each) == set() for each in stays)


def test_a_named_port_is_each_pods_own() -> None:
    found = judged(policy(ingress=[{"ports": [{"port": "http"}]}]))
    assert (heard(found, DB, 8080), heard(found, API, 9090)) == (ALL - {DB}, ALL - {API})
    assert (heard(found, DB, 9090), heard(found, API, 8080)) == (set(), set())


def test_what_a_pod_sends_is_judged_by_the_receivers_ports_and_both_ends_have_to_agree() -> None:
    to_api = {"to": [{"podSelector": {"matchLabels": {"app": "api"}}}], "ports": [{"port": "dns", "protocol": "UDP"}]}
    out = policy({"app": "client"}, policyTypes=["Egress"], egress=[to_api])
    assert permits(judged(out), CLIENT, (API, 53), "UDP")
    assert not permits(judged(out), CLIENT, (API, 9090), "TCP")
    assert not permits(judged(out), CLIENT, (OTHER, 53), "UDP")
    assert heard(judged(out), CLIENT) == ALL - {CLIENT}
    assert not permits(judged(out, policy({"app": "api"})), CLIENT, (API, 53), "UDP")


def test_the_rules_of_a_policy_as_text() -> None:
    rule = {
        "from": [{"ipBlock": {"cidr": "10.244.0.0/24", "except": ["10.244.0.0/25"]}}],
        "ports": [{"port": 80}, {"port": 81, "endPort": 90}, {"port": "http"}, {"protocol": "UDP"}],
    }
    lines = "".join(written(judged(policy({"app": "db"}, ingress=[rule])), "172.31.0.0/24")).splitlines()
    who = f"add rule ip {TABLE} in-p0 ip saddr {{ 10.244.0.128/25 }}"
    assert lines[-8:] == [
        f"add chain ip {TABLE} in-p0",
        f"{who} tcp dport {{ 80-90 }} accept",
        f"{who} ip daddr . tcp dport {{ {DB} . 8080 }} accept",
        f"{who} meta l4proto udp accept",
        f"add chain ip {TABLE} in-s0",
        f"add rule ip {TABLE} in-s0 jump in-p0",
        f"add rule ip {TABLE} in-s0 goto refuse",
        f"add element ip {TABLE} receivers {{ {DB} : goto in-s0 }}",
    ]
