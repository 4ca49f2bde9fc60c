"""Ranges of Service addresses are protected while an address needs them."""

from __future__ import annotations

from typing import Any

from podling.client.resources import IPADDRESSES, SERVICECIDRS
from podling.controllers.servicecidr import FINALIZER, reconcile
from podling.reconcile.action import Update
from podling.reconcile.view import Snapshot

Json = dict[str, Any]
READY = {"type": "Ready", "status": "True"}


def cidr(name: str, text: str, *, deleting: bool = False, **more: Any) -> Json:
    metadata: Json = {"name": name, "uid": name, "resourceVersion": "7"}
    if deleting:
        metadata |= {"finalizers": [FINALIZER], "deletionTimestamp": "2020-01-01T00:00:00Z"}
    return {"kind": "ServiceCIDR", "metadata": metadata, "spec": {"cidrs": [text]}, **more}


def address(text: str) -> Json:
    return {"kind": "IPAddress", "metadata": {"name": text, "resourceVersion": "8"}, "spec": {}}


def writes(first: Json, *others: Json) -> list[tuple[str, Json]]:
    """What is written about the first range: (subresource, body)."""
    view = Snapshot()
    found = view.put(SERVICECIDRS, first)
    for other in others:
        view.put(IPADDRESSES if other["kind"] == "IPAddress" else SERVICECIDRS, other)
    done: list[tuple[str, Json]] = []
    for group in reconcile(found, view):
        for action in group:
            assert isinstance(action, Update)
            done.append((action.subresource, action.body))
    return done


def condition(body: Json) -> tuple[str, str]:
    (found,) = body["status"]["conditions"]
    return found["status"], found["reason"]


def test_a_new_range_is_protected_and_then_ready() -> None:
    (whole, protected), (status, ready) = writes(cidr("more", "10.200.0.0/24"))
    assert whole == "" and protected["metadata"]["finalizers"] == [FINALIZER]
    assert status == "status" and condition(ready) == ("True", "")
    assert "resourceVersion" not in ready["metadata"], "the write before it must not stand in its way"


def test_a_range_at_rest_is_left_alone() -> None:
    whole = cidr("more", "10.200.0.0/24", status={"conditions": [READY]})
    whole["metadata"]["finalizers"] = [FINALIZER]
    assert writes(whole, address("10.200.0.9")) == []


def test_a_range_without_addresses_goes_at_once() -> None:
    ((where, body),) = writes(cidr("more", "10.200.0.0/24", deleting=True), address("10.96.0.1"))
    assert where == "" and body["metadata"]["finalizers"] == []


def test_a_range_stays_while_an_address_has_no_other() -> None:
    ((where, body),) = writes(cidr("more", "10.200.0.0/24", deleting=True), address("10.200.0.9"))
    assert where == "status" and condition(body) == ("False", "Terminating")


def test_a_wider_range_sets_it_free() -> None:
    leaving = cidr("more", "10.200.0.0/24", deleting=True)
    ((where, body),) = writes(leaving, cidr("wide", "10.200.0.0/16"), address("10.200.0.9"))
    assert where == "" and body["metadata"]["finalizers"] == []
