"""Roles that gather others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podling.client.resources import CLUSTERROLES
from podling.controllers.clusterroleaggregation import CONTROLLER
from podling.reconcile.action import Patch
from podling.reconcile.view import Snapshot

PODS = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
JOBS = {"verbs": ["get"], "apiGroups": ["batch"], "resources": ["jobs"]}


def role(name: str, rules: Sequence[Any] = (), gathers: str = "", **labels: str) -> Mapping[str, Any]:
    out: dict[str, Any] = {"kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1"}
    out["metadata"] = {"name": name, "uid": f"uid-{name}", "labels": labels}
    if gathers:
        out["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {gathers: "true"}}]}
    return {**out, "rules": list(rules)}


def patches(*roles: Mapping[str, Any]) -> dict[str, Any]:
    """What the controller writes: the rules by role."""
    world = Snapshot([(CLUSTERROLES, each) for each in roles])
    done: dict[str, Any] = {}
    for found in world.of(CLUSTERROLES).list():
        for action in (action for group in CONTROLLER.reconcile(found, world) for action in group):
            assert isinstance(action, Patch)
            done[action.name] = action.body["rules"]
    return done


def test_a_role_gathers_the_rules_of_those_it_selects_in_order_of_their_names() -> None:
    out = patches(role("all", gathers="in"), role("b", [PODS], **{"in": "true"}), role("a", [JOBS], **{"in": "true"}))
    assert out == {"all": [JOBS, PODS]}


def test_what_is_as_it_should_be_is_left_alone() -> None:
    assert patches(role("all", [PODS], gathers="in"), role("b", [PODS], **{"in": "true"})) == {}


def test_rules_written_by_hand_are_replaced_and_the_same_rule_counts_once() -> None:
    both = {"in": "true"}
    assert patches(role("all", [JOBS], gathers="in"), role("a", [PODS], **both), role("b", [PODS], **both)) == {
        "all": [PODS]
    }


def test_a_role_does_not_gather_itself_and_an_ordinary_one_gathers_nothing() -> None:
    assert patches(role("all", [PODS], gathers="in", **{"in": "true"}), role("b", [JOBS])) == {"all": []}


def test_a_change_of_any_role_concerns_all_that_gather() -> None:
    world = Snapshot([(CLUSTERROLES, role("all", gathers="in")), (CLUSTERROLES, role("b", [PODS]))])
    changed = world.of(CLUSTERROLES).list()[-1]
    assert CONTROLLER.related is not None
    assert list(CONTROLLER.related(changed, world)) == ["rbac.authorization.k8s.io/clusterroles/all"]
