"""Claims of a class that this cluster provisions itself get a volume: a folder of the node where their Pod will run.

What a provisioner outside of the cluster does for its classes (Kubernetes documentation, "Dynamic Volume
Provisioning"), with the same annotations and events: the binder asks by annotation, the scheduler names the node, the
volume is made reserved for the claim, and the binder binds it. The volume's name follows from the claim's uid, so a
second attempt finds the first one's. A class that does not wait for a consumer gets the first node by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podling.api.kinds.core.persistentvolumeclaim import PersistentVolumeClaim
from podling.api.objects import Object, key_of
from podling.client.resources import NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES
from podling.reconcile import volumes
from podling.reconcile.action import Absent, Again, Create, Group, Plan, Remember, Tell, Update, reference
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.hostpathvolumes import FINALIZER, FOLDER, NAME, ON_NODE, SIMULATED
from podling.reconcile.view import View
from podling.reconcile.volumes import PROVISIONED_BY, SELECTED_NODE
from podling.reconcile.volumesprovisioning import PROVISIONER

Json = Mapping[str, Any]
RETRY = 15.0
"""Seconds until it is tried again where no node can have the volume."""
HOSTNAME = "kubernetes.io/hostname"


def reconcile(found: Object, view: View) -> Plan:
    if not _asks(found) or view.of(PERSISTENTVOLUMES).get("", _name(found)) is not None:
        return
    made_by = volumes.storage_class(view, volumes.claim_class(found.view))
    selected = found.view.metadata.annotations.get(SELECTED_NODE, "")
    if made_by is None or made_by.get("provisioner") != NAME:
        return
    if volumes.waits_for_consumer(made_by) and not selected:
        return
    if why := _unfit(found.json()["spec"], made_by):
        yield from _failed(found, why, view)
        return
    if selected and view.of(NODES).get("", selected) is None:
        yield from _taken_back(found, selected)
        return
    node = view.of(NODES).get("", selected) if selected else _first(made_by, view)
    if node is None or not _place(node, ""):
        why = f'node "{selected}" has no folder for volumes' if selected else "no node has a folder for volumes"
        yield from _failed(found, why, view, again=RETRY)
        return
    yield from _made(found, made_by, node)


def _asks(found: Object) -> bool:
    claim: PersistentVolumeClaim = found.view
    return not (found.head.deleting or claim.spec.volume_name) and claim.metadata.annotations.get(PROVISIONER) == NAME


def _name(found: Object) -> str:
    return f"pvc-{found.head.uid}"


def _unfit(spec: Json, made_by: Json) -> str:
    """Why a folder is not what the claim asks for; "" where it is."""
    if spec.get("volumeMode") == "Block":
        return f"{NAME} does not support block volume provisioning"
    if spec.get("selector"):
        return "claim Selector is not supported"
    if spec.get("dataSource") or spec.get("dataSourceRef"):
        return "data sources are not supported"
    if spec.get("volumeAttributesClassName"):
        return "VolumeAttributesClasses are not supported"
    if unknown := sorted(made_by.get("parameters") or {}):
        return f"unknown parameter of the StorageClass: {unknown[0]}"
    return "mount options are not supported" if made_by.get("mountOptions") else ""


def _first(made_by: Json, view: View) -> Object | None:
    """A node for a class that does not wait for the scheduler's choice; one that is there rather than a simulated."""
    fitting = [each for each in view.of(NODES).list() if _place(each, "") and _in_topology(each, made_by)]
    return min(fitting, key=lambda each: (not _folder(each), each.head.name), default=None)


def _in_topology(node: Object, made_by: Json) -> bool:
    labels = node.head.labels
    terms = [term.get("matchLabelExpressions") or () for term in made_by.get("allowedTopologies") or ()]
    return not terms or any(all(labels.get(each["key"]) in each["values"] for each in term) for term in terms)


def _folder(node: Object) -> str:
    return str(node.view.metadata.annotations.get(FOLDER, ""))


def _place(node: Object, name: str) -> str:
    """The path of a volume on the node, "" where there can be none."""
    folder = _folder(node)
    if not folder and node.head.labels.get(SIMULATED) == "true":
        folder = "/simulated"
    return folder and f"{folder}/{name}"


def _made(found: Object, made_by: Json, node: Object) -> Plan:
    claim, about = f'"{found.head.namespace}/{found.head.name}"', reference(found)
    told = f"External provisioner is provisioning volume for claim {claim}"
    name = made_by["metadata"]["name"]
    failed = f'failed to provision volume with StorageClass "{name}": {{error}}'
    yield [Tell(about, "Normal", "Provisioning", told)]
    yield [
        Create(
            PERSISTENTVOLUMES,
            "",
            _volume(found, made_by, node),
            done=Tell(about, "Normal", "ProvisioningSucceeded", "Successfully provisioned volume {name}"),
            failed=Tell(about, "Warning", "ProvisioningFailed", failed),
        )
    ]


def _volume(found: Object, made_by: Json, node: Object) -> dict[str, Any]:
    spec, name = found.json()["spec"], _name(found)
    metadata: dict[str, Any] = {"name": name, "annotations": {PROVISIONED_BY: NAME}}
    if _folder(node):
        metadata |= {"labels": {ON_NODE: node.head.name}, "finalizers": [FINALIZER]}
    hostname = node.head.labels.get(HOSTNAME, node.head.name)
    where = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [hostname]}]}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "resourceVersion": str(found.revision)}
    claim |= {"namespace": found.head.namespace, "name": found.head.name, "uid": found.head.uid}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": metadata,
        "spec": {
            "accessModes": spec.get("accessModes") or [],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": claim,
            "hostPath": {"path": _place(node, name), "type": "DirectoryOrCreate"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [where]}},
            "persistentVolumeReclaimPolicy": made_by.get("reclaimPolicy") or "Delete",
            "storageClassName": made_by["metadata"]["name"],
            "volumeMode": "Filesystem",
        },
    }


def _taken_back(found: Object, selected: str) -> Plan:
    """The node is gone: the scheduler has to choose another one."""
    body = found.json()
    del body["metadata"]["annotations"][SELECTED_NODE]
    yield [Absent(NODES, "", selected, "")]
    yield [Update(PERSISTENTVOLUMECLAIMS, found.head.namespace, found.head.name, body)]


def _failed(found: Object, why: str, view: View, again: float | None = None) -> Iterable[Group]:
    """Told once for each reason."""
    later = [] if again is None else [Again(again)]
    if view.remembered == why:
        return [later]
    text = f'failed to provision volume with StorageClass "{volumes.claim_class(found.view)}": {why}'
    return [[Tell(reference(found), "Warning", "ProvisioningFailed", text), Remember(why), *later]]


def _of_volume(changed: Object, _: View) -> Iterable[str]:
    """One that is gone may have to be made again."""
    held_by = changed.view.spec.claim_ref
    if held_by is not None and changed.view.metadata.annotations.get(PROVISIONED_BY) == NAME:
        yield key_of(PERSISTENTVOLUMECLAIMS.group, PERSISTENTVOLUMECLAIMS.plural, held_by.namespace, held_by.name)


def _of_class(changed: Object, view: View) -> Iterable[str]:
    for each in view.of(PERSISTENTVOLUMECLAIMS).list():
        if _asks(each) and volumes.claim_class(each.view) == changed.head.name:
            yield each.key


CONTROLLER = Controller(
    name="hostpath-provisioner",
    component=NAME,
    reconcile=reconcile,
    resource=PERSISTENTVOLUMECLAIMS,
    watches=(
        Watch(PERSISTENTVOLUMES, _of_volume, alike=lambda old, new: True),
        Watch(STORAGECLASSES, _of_class),
    ),
    reads=(NODES,),
    relevant=_asks,
)
