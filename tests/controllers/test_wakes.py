"""Which changes are news to those who count Pods and nodes, and which are not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from podling.api.objects import Object
from podling.client.resources import NODES, PODS
from podling.reconcile import placing, pods
from podling.reconcile.view import Snapshot
from tests.controllers.world import pod, ready

Json = dict[str, Any]
POD = {"kind": "Pod", "apiVersion": "v1", **pod("p", {"app": "web"}, owner="u")}
NODE = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n"}, "spec": {}, "status": {}}


def before_and_after(resource: Any, body: Json, change: Callable[[Json], Any]) -> tuple[Object, Object]:
    body = copy.deepcopy(body)
    body["metadata"] |= {"uid": "x", "namespace": "default" if resource == PODS else ""}
    old = Snapshot().put(resource, body)
    change(body)
    return old, Snapshot().put(resource, body)


POD_CHANGES: list[tuple[str, Callable[[Json], Any], bool]] = [
    ("bound", lambda body: body["spec"].update(nodeName="n1"), True),
    ("has an address", lambda body: body["status"].update(podIP="10.0.0.1"), True),
    ("is annotated", lambda body: body["metadata"].update(annotations={"a": "b"}), True),
    ("unready", lambda body: body["status"].update(conditions=ready(False)), False),
    ("ready anew", lambda body: body["status"].update(conditions=ready(since="2021-01-01T00:00:00Z")), False),
    ("ended", lambda body: body["status"].update(phase="Succeeded"), False),
    ("deleted", lambda body: body["metadata"].update(deletionTimestamp="2020-01-01T00:00:00Z"), False),
    ("labelled", lambda body: body["metadata"].update(labels={"app": "other"}), False),
    ("released", lambda body: body["metadata"].pop("ownerReferences"), False),
    ("another", lambda body: body["metadata"].update(uid="y"), False),
]


@pytest.mark.parametrize(("change", "same"), [case[1:] for case in POD_CHANGES], ids=[case[0] for case in POD_CHANGES])
def test_those_who_count_pods_hear_of_what_counts(change: Callable[[Json], Any], same: bool) -> None:
    assert pods.same_standing(*before_and_after(PODS, POD, change)) is same


NODE_CHANGES: list[tuple[str, Callable[[Json], Any], bool]] = [
    ("heartbeat", lambda body: body["status"].update(conditions=ready()), True),
    ("labelled", lambda body: body["metadata"].update(labels={"zone": "a"}), False),
    ("cordoned", lambda body: body["spec"].update(unschedulable=True), False),
    ("tainted", lambda body: body["spec"].update(taints=[{"key": "k", "effect": "NoExecute"}]), False),
]


@pytest.mark.parametrize(
    ("change", "same"), [case[1:] for case in NODE_CHANGES], ids=[case[0] for case in NODE_CHANGES]
)
def test_a_nodes_heartbeat_is_no_news_of_where_pods_belong(change: Callable[[Json], Any], same: bool) -> None:
    assert placing.same_place(*before_and_after(NODES, NODE, change)) is same
