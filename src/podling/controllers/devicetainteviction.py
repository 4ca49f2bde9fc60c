"""Pods whose devices got a NoExecute taint are deleted, where their claims do not tolerate it, or not for ever.

Taints are in the slices of devices, or given by DeviceTaintRules. The time counts from the moment the taint was added,
where it does not say when, from when it was first seen here. What is tolerated was written into the claim's allocation
when the device was chosen (Kubernetes documentation, "Dynamic Resource Allocation", device taints and tolerations).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podling.api.kinds.policy import budgets
from podling.api.objects import Object, key_of
from podling.client.resources import DEVICETAINTRULES, PODS, RESOURCECLAIMS, RESOURCESLICES
from podling.env import rfc3339
from podling.reconcile import pods
from podling.reconcile.action import Again, Delete, Patch, Plan, Remember, Tell, reference
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.devicetaints import by_rules, tolerates
from podling.reconcile.view import View

Json = Mapping[str, Any]
FOR_EVER = float("inf")


def reconcile(found: Object, view: View) -> Plan:
    pod = found.view
    if found.head.deleting or not pod.spec.node_name or pods.is_finished(pod):
        return
    since = view.remembered if isinstance(view.remembered, float) else view.now
    deadline = min((_deadline(each, since, view) for each in _claims(found, view)), default=FOR_EVER)
    if deadline <= view.now:
        message = f"Marking for deletion Pod {found.head.namespace}/{found.head.name}"
        told = Tell(reference(found), "Normal", "DeviceTaintManagerEviction", message)
        yield [_mark(found, view.now)]
        yield [Delete(PODS, found.head.namespace, found.head.name, found.head.uid, done=told)]
    elif deadline != FOR_EVER:
        yield [Again(deadline - view.now), Remember(since)]


def _mark(found: Object, now: float) -> Patch:
    why = "Device Taint manager: deleting due to NoExecute taint"
    told = budgets.target("DeletionByDeviceTaintManager", why, rfc3339(now))
    body = {"metadata": {"uid": found.head.uid}, "status": {"conditions": [told]}}
    return Patch(PODS, found.head.namespace, found.head.name, body, "strategic-merge", "status")


def _claims(found: Object, view: View) -> Iterable[Json]:
    """The status of each claim that is reserved for the Pod."""
    pod = found.view
    made = {each.name: each.resource_claim_name for each in pod.status.resource_claim_statuses}
    for each in pod.spec.resource_claims:
        claim = view.of(RESOURCECLAIMS).get(found.head.namespace, each.resource_claim_name or made.get(each.name) or "")
        status: Json = {} if claim is None else claim.json().get("status") or {}
        if any(user["uid"] == found.head.uid for user in status.get("reservedFor") or ()):
            yield status


def _deadline(status: Json, since: float, view: View) -> float:
    """When the claim's devices are lost to the Pod; `since` is when a taint began that does not say it."""
    results = ((status.get("allocation") or {}).get("devices") or {}).get("results") or ()
    deadlines = [
        _end(taint, result.get("tolerations") or (), since, view.now)
        for result in results
        for taint in _taints(result, view)
        if taint.get("effect") == "NoExecute"
    ]
    return min(deadlines, default=FOR_EVER)


def _taints(result: Json, view: View) -> Iterable[Json]:
    """Of the device that was given, by the newest slices of its pool and by rules."""
    id = (result["driver"], result["pool"], result["device"])
    yield from by_rules(id, (each.json()["spec"] for each in view.of(DEVICETAINTRULES).list()))
    here = [
        spec
        for each in view.of(RESOURCESLICES).list()
        if (spec := each.json()["spec"])["driver"] == result["driver"] and spec["pool"]["name"] == result["pool"]
    ]
    newest = max((spec["pool"].get("generation", 0) for spec in here), default=0)
    for spec in here:
        if spec["pool"].get("generation", 0) == newest:
            for device in spec.get("devices") or ():
                if device["name"] == result["device"]:
                    yield from device.get("taints") or ()


def _end(taint: Json, tolerations: Iterable[Json], since: float, now: float) -> float:
    matching = [each for each in tolerations if tolerates(each, taint)]
    if not matching:
        return now
    limits = [each["tolerationSeconds"] for each in matching if each.get("tolerationSeconds") is not None]
    return pods.seconds(taint.get("timeAdded"), since) + max(0, min(limits)) if limits else FOR_EVER


def _of_slice(changed: Object, view: View) -> Iterable[str]:
    """Pods that have devices of its pool, where any of them is tainted."""
    spec = changed.json()["spec"]
    if not any(device.get("taints") for device in spec.get("devices") or ()):
        return
    for claim in view.of(RESOURCECLAIMS).list():
        status = claim.json().get("status") or {}
        results = ((status.get("allocation") or {}).get("devices") or {}).get("results") or ()
        if any((each["driver"], each["pool"]) == (spec["driver"], spec["pool"]["name"]) for each in results):
            yield from _of_claim(claim, view)


def _of_rule(_: Object, view: View) -> Iterable[str]:
    for claim in view.of(RESOURCECLAIMS).list():
        yield from _of_claim(claim, view)


def _of_claim(changed: Object, _: View) -> Iterable[str]:
    for user in (changed.json().get("status") or {}).get("reservedFor") or ():
        if user["resource"] == "pods":
            yield key_of(PODS.group, PODS.plural, changed.head.namespace, user["name"])


def _same_place(old: Object, new: Object) -> bool:
    return bool(old.head.uid == new.head.uid and old.view.spec.node_name == new.view.spec.node_name)


CONTROLLER = Controller(
    name="device-taint-eviction",
    component="device-taint-eviction",
    reconcile=reconcile,
    resource=PODS,
    watches=(
        Watch(RESOURCESLICES, _of_slice),
        Watch(DEVICETAINTRULES, _of_rule),
        Watch(RESOURCECLAIMS, _of_claim),
    ),
    relevant=lambda found: bool(found.head.fields.get("spec.nodeName") and found.view.spec.resource_claims),
    alike=_same_place,
)
