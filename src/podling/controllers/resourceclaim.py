"""ResourceClaims lose the Pods that are over, then their devices, and those made for a Pod go with it.

A reservation is only taken off when the API itself says that its Pod is gone, for the scheduler reserves before it
binds. Devices are given back when the last reservation goes, so that the next Pod may get some on another node
(Kubernetes documentation, "Dynamic Resource Allocation").
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from podling.api.errors import ApiError, NotFound
from podling.api.objects import Object, key_of
from podling.client.resources import PODS, RESOURCECLAIMS
from podling.reconcile.action import Again, Answers, Ask, Asking, Delete, Group, Remember, Update
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.pods import is_finished
from podling.reconcile.view import View

Json = dict[str, Any]
FINALIZER = "resource.kubernetes.io/delete-protection"
RETRY = 1.0
RELEASED = "released"
"""Remembered between the write that took the devices and the one that takes the finalizer."""


def reconcile(found: Object, view: View) -> Asking:
    body = found.json()
    status = body.setdefault("status", {})
    users = status.get("reservedFor") or []
    valid = yield from _valid(found, users, view)
    if valid is None:
        yield [Again(RETRY)]
        return
    protected = FINALIZER in (body["metadata"].get("finalizers") or ())
    if len(valid) < len(users) or (found.head.deleting and protected and not valid and status.get("allocation")):
        status["reservedFor"] = valid
        if not valid and protected:
            status.pop("allocation", None)
        yield [Update(RESOURCECLAIMS, found.head.namespace, found.head.name, body, "status"), Remember(RELEASED)]
    elif protected and not valid and not status.get("allocation") and _is_free(found, view):
        body["metadata"]["finalizers"] = [each for each in body["metadata"]["finalizers"] if each != FINALIZER]
        yield [Update(RESOURCECLAIMS, found.head.namespace, found.head.name, body), Remember(None)]
    if not valid and not found.head.deleting and _is_over(body, found, view):
        yield [Delete(RESOURCECLAIMS, found.head.namespace, found.head.name, found.head.uid)]


def _is_free(found: Object, view: View) -> bool:
    """The scheduler protects a claim before it allocates: only who was released loses the finalizer again."""
    return found.head.deleting or view.remembered == RELEASED


def _valid(found: Object, users: list[Json], view: View) -> Generator[Group, Answers, list[Json] | None]:
    """The reservations of Pods that are not over; None where that could not be learnt."""
    kept: list[Json] = []
    for user in users:
        pod = view.of(PODS).get(found.head.namespace, user["name"]) if user.get("resource") == "pods" else None
        if user.get("resource") != "pods" or user.get("apiGroup"):
            kept.append(user)  # nobody knows what that is
        elif pod is not None:
            if pod.head.uid == user["uid"] and not _is_done(pod):
                kept.append(user)
        else:
            (answer,) = yield [Ask(PODS.path(found.head.namespace, user["name"]))]
            if isinstance(answer, ApiError) and not isinstance(answer, NotFound):
                return None
            if not isinstance(answer, ApiError) and answer["metadata"].get("uid") == user["uid"]:
                kept.append(user)
    return kept


def _is_done(pod: Object) -> bool:
    """None of its containers runs, nor ever will."""
    return is_finished(pod.view) or (pod.head.deleting and not pod.view.spec.node_name)


def _is_over(body: Json, found: Object, view: View) -> bool:
    """The Pod that it was made for is done or was replaced. One that is gone leaves it to the garbage collector."""
    for owner in body["metadata"].get("ownerReferences") or ():
        if owner.get("controller") and owner["kind"] == "Pod" and owner["apiVersion"] == "v1":
            pod = view.of(PODS).get(found.head.namespace, owner["name"])
            return pod is not None and (pod.head.uid != owner["uid"] or _is_done(pod))
    return False


def _of_pod(changed: Object, view: View) -> Iterable[str]:
    pod, namespace = changed.view, changed.head.namespace
    if not pod.spec.resource_claims:
        return
    names = {each.resource_claim_name for each in (*pod.spec.resource_claims, *pod.status.resource_claim_statuses)}
    names |= {each.head.name for each in view.of(RESOURCECLAIMS).owned(changed.head.uid)}
    for name in sorted(each for each in names if each):
        yield key_of(RESOURCECLAIMS.group, RESOURCECLAIMS.plural, namespace, name)


def _same_end(old: Object, new: Object) -> bool:
    if old.head.uid != new.head.uid or old.head.deleting != new.head.deleting:
        return False
    return bool(old.view.status.phase == new.view.status.phase)


CONTROLLER = Controller(
    name="resource-claim",
    component="resource_claim",
    reconcile=reconcile,
    resource=RESOURCECLAIMS,
    watches=(Watch(PODS, _of_pod, alike=_same_end),),
)
