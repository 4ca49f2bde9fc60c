"""The nftables text: any way of changes leads to the rules that loading writes at once."""

from __future__ import annotations

import json
import random
import subprocess
from typing import Any

import pytest

from podling.proxy.libnftables import Library
from podling.proxy.ruleset import Ruleset
from podling.proxy.services import Change, Front, Rule
from tests.network.nodes import SERVICES, on_a_node

FRONTS = [Front(f"10.96.0.{n}", port, protocol) for n in range(1, 4) for port, protocol in ((80, "TCP"), (53, "UDP"))]
ENDPOINTS = [(f"10.244.0.{n}", 8080) for n in range(2, 7)]


def test_the_commands_of_a_change() -> None:
    ruleset, front = Ruleset(SERVICES), Front("10.96.0.9", 80, "TCP")
    ruleset.load({front: Rule((("10.244.0.2", 8080),))})
    assert ruleset.change(Change({front: Rule((("10.244.0.3", 8080),))})) == (
        "delete element ip podling fronts { 10.96.0.9 . tcp . 80 }\n"
        "delete element ip podling e1 { 10.96.0.9 . tcp . 80 . 0 }\n"
        "delete element ip podling selves { 10.244.0.2 . 10.244.0.2 }\n"
        "add element ip podling e1 { 10.96.0.9 . tcp . 80 . 0 : 10.244.0.3 . 8080 }\n"
        "add element ip podling selves { 10.244.0.3 . 10.244.0.3 }\n"
        "add element ip podling fronts { 10.96.0.9 . tcp . 80 : goto n1 }\n"
    )


def test_with_affinity_an_endpoint_that_stays_keeps_its_number_and_so_its_clients() -> None:
    ruleset, front = Ruleset(SERVICES), Front("10.96.0.9", 80, "TCP")
    one, two, three = (("10.244.0.2", 8080), ("10.244.0.3", 8080), ("10.244.0.4", 8080))
    ruleset.load({front: Rule((one, two), affinity=10)})
    text = ruleset.change(Change({front: Rule((two, three), affinity=10)}))
    key = "10.96.0.9 . tcp . 80"
    assert f"delete element ip podling sticky {{ {key} . 1, {key} . 2 }}\n" in text
    assert f"add element ip podling sticky {{ {key} . 2 : goto t10, {key} . 3 : goto t10 }}\n" in text
    assert f"add element ip podling kept {{ {key} . 2 : 10.244.0.3 . 8080, {key} . 3 : 10.244.0.4 . 8080 }}\n" in text


def test_a_number_is_not_given_again_so_that_no_client_is_sent_to_a_stranger() -> None:
    ruleset, front = Ruleset(SERVICES), Front("10.96.0.9", 80, "TCP")
    ruleset.load({front: Rule((("10.244.0.2", 8080),), affinity=10)})
    ruleset.change(Change({}, (front,)))
    assert "10.96.0.9 . tcp . 80 . 2 : goto t10" in ruleset.change(
        Change({front: Rule((("10.244.0.9", 8080),), affinity=10)})
    )


def test_another_length_of_affinity_is_another_chain() -> None:
    ruleset, front = Ruleset(SERVICES), Front("10.96.0.9", 80, "TCP")
    ruleset.load({front: Rule((("10.244.0.2", 8080),), affinity=10)})
    text = ruleset.change(Change({front: Rule((("10.244.0.2", 8080),), affinity=20)}))
    assert "add chain ip podling t20\n" in text and "goto t20" in text and "goto t10" not in text


def test_removing_what_is_not_there_writes_nothing() -> None:
    ruleset = Ruleset(SERVICES)
    ruleset.load({})
    assert ruleset.change(Change({}, (FRONTS[0],))) == ""


@pytest.mark.real
def test_any_way_of_changes_leads_to_what_loading_writes() -> None:
    async def scenario() -> None:
        chance, nft, walked = random.Random(7), Library(), Ruleset(SERVICES)
        nft.run(walked.load({}))
        rules: dict[Front, Rule] = {}
        for step in range(60):
            set_ = {front: some_rule(chance) for front in chance.sample(FRONTS, chance.randint(0, 3))}
            removed = tuple(front for front in chance.sample(FRONTS, chance.randint(0, 2)) if front not in set_)
            nft.run(walked.change(Change(set_, removed)) or "add table ip podling\n")
            rules = {front: rule for front, rule in (rules | set_).items() if front not in removed}
            if step % 6 == 5:
                found = elements()
                nft.run(walked.load(rules))
                assert found == elements()

    on_a_node(scenario)


def some_rule(chance: random.Random) -> Rule:
    endpoints = tuple(sorted(chance.sample(ENDPOINTS, chance.randint(0, 3))))
    return Rule(endpoints, chance.choice([0, 10]))


def elements() -> dict[str, list[str]]:
    """The content of every map and set that has any, as the kernel holds it; endpoints instead of their numbers."""
    shown = subprocess.run(["nft", "-j", "list", "ruleset"], capture_output=True, check=True).stdout
    held: list[dict[str, Any]] = [
        entry["map"] if "map" in entry else entry["set"]
        for entry in json.loads(shown)["nftables"]
        if "map" in entry or "set" in entry
    ]
    found = {one["name"]: one["elem"] for one in held if one.get("elem")}
    endpoints = {str(key["concat"]): value["concat"] for key, value in found.pop("kept", [])}
    for name in found:
        if name == "sticky":
            found[name] = [[key["concat"][:3], endpoints[str(key["concat"])], to] for key, to in found[name]]
        elif name.startswith("c"):
            found[name] = [[key, endpoints[str([*key["concat"][:3], mark])]] for key, mark in found[name]]
    return {name: sorted(map(json.dumps, each)) for name, each in found.items()}
