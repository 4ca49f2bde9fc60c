"""Pods get the ResourceClaims that their templates describe, and their status says which these are.

A claim is found again by its owner and an annotation, never by its name, so a crash between two writes makes none
twice. A Pod that came to its node without the scheduler gets its allocated claims reserved here (Kubernetes
documentation, "Dynamic Resource Allocation").
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podling.api.kinds.core.pod import Pod
from podling.api.objects import Object, key_of
from podling.client.resources import PODS, RESOURCECLAIMS, RESOURCECLAIMTEMPLATES
from podling.reconcile import claiming
from podling.reconcile.action import Action, Create, Patch, Plan, Remember, Tell, Update, reference
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.pods import is_finished
from podling.reconcile.view import View

Json = dict[str, Any]
OF_POD = "resource.kubernetes.io/pod-claim-name"
"""Annotation of a claim: what its Pod calls it."""
MOST_USERS = 256


def reconcile(found: Object, view: View) -> Plan:
    if found.head.deleting or is_finished(found.view):
        return
    pod: Pod = found.view
    claims = {each.name: _claim(found, each.name, view) for each in pod.spec.resource_claims if _templated(each)}
    missing = [each for each in pod.spec.resource_claims if _templated(each) and claims[each.name] is None]
    actions = [_made(found, each.name, each.resource_claim_template_name or "", view) for each in missing]
    told = tuple(each.message for each in actions if isinstance(each, Tell))
    writes: list[Action] = [each for each in actions if not isinstance(each, Tell) or told != view.remembered]
    if writes:
        yield [*writes, Remember(told)]
    if missing:
        return
    wanted = {name: claim.head.name for name, claim in claims.items() if claim is not None}
    known = {each.name: each.resource_claim_name for each in pod.status.resource_claim_statuses}
    if wanted.items() - known.items():
        statuses = [{"name": name, "resourceClaimName": claim} for name, claim in wanted.items()]
        body = {"metadata": {"uid": found.head.uid}, "status": {"resourceClaimStatuses": statuses}}
        yield [Patch(PODS, found.head.namespace, found.head.name, body, "strategic-merge", "status")]
    if pod.spec.node_name:
        yield list(_reserved(found, wanted, view))


def _templated(each: Any) -> bool:
    return each.resource_claim_template_name is not None


def _claim(found: Object, name: str, view: View) -> Object | None:
    """The claim that was made for the Pod under this name."""
    owned = view.of(RESOURCECLAIMS).owned(found.head.uid)
    return next((each for each in owned if _annotations(each).get(OF_POD) == name), None)


def _annotations(claim: Object) -> Json:
    return dict(claim.json()["metadata"].get("annotations") or {})


def _made(found: Object, name: str, template: str, view: View) -> Create | Tell:
    about, namespace = reference(found), found.head.namespace
    known = view.of(RESOURCECLAIMTEMPLATES).get(namespace, template)
    if known is None:
        why = f'resource claim template "{template}": resourceclaimtemplate.resource.k8s.io "{template}" not found'
        return Tell(about, "Warning", "FailedResourceClaimCreation", f"PodResourceClaim {name}: {why}")
    said = known.json()["spec"]
    metadata = {key: dict(said.get("metadata", {}).get(key) or {}) for key in ("annotations", "labels")}
    metadata["annotations"][OF_POD] = name
    body = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {
            **metadata,
            "generateName": f"{found.head.name}-{name}-",
            "namespace": namespace,
            "ownerReferences": [claiming.owner_reference(found)],
        },
        "spec": said.get("spec") or {},
    }
    failed = Tell(about, "Warning", "FailedResourceClaimCreation", f"PodResourceClaim {name}: {{error}}")
    return Create(RESOURCECLAIMS, namespace, body, failed=failed)


def _reserved(found: Object, made: dict[str, str], view: View) -> Iterable[Action]:
    """Claims that are allocated, and not reserved for this Pod though it has a node."""
    for each in found.view.spec.resource_claims:
        name = each.resource_claim_name or made.get(each.name, "")
        claim = view.of(RESOURCECLAIMS).get(found.head.namespace, name)
        if claim is None:
            continue
        body = claim.json()
        status = body.get("status") or {}
        users = status.get("reservedFor") or []
        if not status.get("allocation") or len(users) >= MOST_USERS:
            continue
        if found.head.uid not in {user["uid"] for user in users}:
            user = {"resource": "pods", "name": found.head.name, "uid": found.head.uid}
            body["status"] = status | {"reservedFor": [*users, user]}
            yield Update(RESOURCECLAIMS, found.head.namespace, name, body, "status")


def _owner(changed: Object, _: View) -> Iterable[str]:
    for each in changed.json()["metadata"].get("ownerReferences") or ():
        if each.get("controller") and each["kind"] == "Pod":
            yield key_of(PODS.group, PODS.plural, changed.head.namespace, each["name"])


def _of_template(changed: Object, view: View) -> Iterable[str]:
    for each in view.of(PODS).list(changed.head.namespace):
        claims = each.view.spec.resource_claims
        if any(claim.resource_claim_template_name == changed.head.name for claim in claims):
            yield each.key


def _same_wishes(old: Object, new: Object) -> bool:
    """Of a Pod's status only what was written here is news."""
    before, after = old.view, new.view
    if before.spec.node_name != after.spec.node_name or old.head.uid != new.head.uid:
        return False
    return bool(before.status.resource_claim_statuses == after.status.resource_claim_statuses)


CONTROLLER = Controller(
    name="pod-resource-claim",
    component="resource_claim",
    reconcile=reconcile,
    resource=PODS,
    watches=(
        Watch(RESOURCECLAIMS, _owner, alike=lambda old, new: old.head.uid == new.head.uid),
        Watch(RESOURCECLAIMTEMPLATES, _of_template),
    ),
    relevant=lambda found: bool(found.view.spec.resource_claims),
    alike=_same_wishes,
)
