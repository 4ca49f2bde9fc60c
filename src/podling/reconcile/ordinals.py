"""The Pods of a StatefulSet, each with a name, an identity and claims of its own (documentation "StatefulSets")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podling.api.kinds.apps.statefulset import StatefulSet
from podling.api.objects import Object
from podling.client.resources import PERSISTENTVOLUMECLAIMS, PODS
from podling.reconcile import claiming, history, templates
from podling.reconcile.action import Action, Create, Delete, Patch, Tell, reference
from podling.reconcile.view import View

POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
Json = dict[str, Any]


def ordinal_of(owner: Object, pod: Object) -> int | None:
    """None for a Pod that is no member by its name."""
    number = pod.head.name.removeprefix(f"{owner.head.name}-")
    return int(number) if number != pod.head.name and number.isdigit() and str(int(number)) == number else None


def name_of(owner: Object, ordinal: int) -> str:
    return f"{owner.head.name}-{ordinal}"


def creation(owner: Object, template: Mapping[str, Any], revision: str, ordinal: int) -> Create:
    name, found = name_of(owner, ordinal), owner.view
    body = templates.pod(owner, template, name=name)
    identity = {history.LABEL: revision, POD_NAME: name, POD_INDEX: str(ordinal)}
    body["metadata"]["labels"] = {**body["metadata"].get("labels", {}), **identity}
    spec = body["spec"]
    spec["hostname"] = name
    if found.spec.service_name:
        spec["subdomain"] = found.spec.service_name
    claimed = {each.metadata.name for each in found.spec.volume_claim_templates}
    if claimed:
        volumes = [each for each in spec.get("volumes") or [] if each["name"] not in claimed]
        spec["volumes"] = [*volumes, *_volumes(owner, ordinal)]
    about, where = reference(owner), owner.head.name
    return Create(
        PODS,
        owner.head.namespace,
        body,
        done=Tell(about, "Normal", "SuccessfulCreate", f"create Pod {name} in StatefulSet {where} successful"),
        failed=Tell(
            about, "Warning", "FailedCreate", f"create Pod {name} in StatefulSet {where} failed error: {{error}}"
        ),
    )


def deletion(owner: Object, pod: Object) -> Delete:
    about, name, where = reference(owner), pod.head.name, owner.head.name
    return Delete(
        PODS,
        pod.head.namespace,
        name,
        pod.head.uid,
        done=Tell(about, "Normal", "SuccessfulDelete", f"delete Pod {name} in StatefulSet {where} successful"),
        failed=Tell(
            about, "Warning", "FailedDelete", f"delete Pod {name} in StatefulSet {where} failed error: {{error}}"
        ),
    )


def missing_claims(owner: Object, ordinals: Iterable[int], view: View) -> list[Action]:
    """Claims are made before the Pods that mount them, and stay when those go."""
    return [
        _claim(owner, template, ordinal)
        for ordinal in ordinals
        for template in owner.json()["spec"].get("volumeClaimTemplates") or ()
        if _known(owner, template["metadata"]["name"], ordinal, view) is None
    ]


def retention(owner: Object, standing: Mapping[int, Object], condemned: Iterable[int], view: View) -> list[Action]:
    """Who takes a claim along: the set where it is deleted, the Pod where it is scaled away, or nobody."""
    found: StatefulSet = owner.view
    policy, leaving = found.spec.persistent_volume_claim_retention_policy, frozenset(condemned)
    if policy is None:
        return []
    out: list[Action] = []
    for ordinal, pod in standing.items():
        for template in found.spec.volume_claim_templates:
            claim = _known(owner, template.metadata.name, ordinal, view)
            if claim is None or claim.head.deleting:
                continue
            by_pod = ordinal in leaving and policy.when_scaled == "Delete"
            by_set = ordinal not in leaving and policy.when_deleted == "Delete"
            out += _owned(claim, owner, by_set) + _owned(claim, pod, by_pod)
    return out


def _owned(claim: Object, owner: Object, wanted: bool) -> list[Action]:
    if (owner.head.uid in claim.head.owners) == wanted:
        return []
    given = claiming.owner_reference(owner) | {"blockOwnerDeletion": False}
    reference = given if wanted else {"$patch": "delete", "uid": owner.head.uid}
    body = {"metadata": {"uid": claim.head.uid, "ownerReferences": [reference]}}
    return [Patch(PERSISTENTVOLUMECLAIMS, claim.head.namespace, claim.head.name, body, kind="strategic-merge")]


def _known(owner: Object, template: str, ordinal: int, view: View) -> Object | None:
    return view.of(PERSISTENTVOLUMECLAIMS).get(owner.head.namespace, f"{template}-{name_of(owner, ordinal)}")


def _claim(owner: Object, template: Mapping[str, Any], ordinal: int) -> Create:
    given = template.get("metadata") or {}
    pod, where = name_of(owner, ordinal), owner.head.name
    name = f"{given['name']}-{pod}"
    labels = {**(given.get("labels") or {}), **owner.view.spec.selector.match_labels}
    metadata = {"name": name, "namespace": owner.head.namespace, "labels": labels}
    if given.get("annotations"):
        metadata["annotations"] = given["annotations"]
    about, text = reference(owner), f"create Claim {name} Pod {pod} in StatefulSet {where}"
    return Create(
        PERSISTENTVOLUMECLAIMS,
        owner.head.namespace,
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template.get("spec") or {}},
        done=Tell(about, "Normal", "SuccessfulCreate", f"{text} success"),
        failed=Tell(about, "Warning", "FailedCreate", f"{text} failed error: {{error}}"),
    )


def _volumes(owner: Object, ordinal: int) -> list[Json]:
    names = [each.metadata.name for each in owner.view.spec.volume_claim_templates]
    pod = name_of(owner, ordinal)
    return [{"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{pod}"}} for name in names]
