"""Volumes that this cluster made itself go when their claim is gone, and their data before them.

The other end of `hostpathprovisioner.py`. A volume that was released is deleted if its policy says so; a finalizer
keeps it until the kubelet has removed the folder. Where there is nothing to remove (the policy is Retain by now, or
the node is gone for good), the finalizer is taken off here.
"""

from __future__ import annotations

from podling.api.kinds.core.persistentvolume import PersistentVolume
from podling.api.objects import Object
from podling.client.resources import NODES, PERSISTENTVOLUMES
from podling.reconcile.action import Absent, Delete, Plan, Update
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.hostpathvolumes import FINALIZER, NAME, ON_NODE, is_ours
from podling.reconcile.view import View


def reconcile(found: Object, view: View) -> Plan:
    volume: PersistentVolume = found.view
    deletes = volume.spec.persistent_volume_reclaim_policy == "Delete"
    if not found.head.deleting:
        if deletes and volume.status.phase == "Released":
            yield [Delete(PERSISTENTVOLUMES, "", found.head.name, found.head.uid)]
        return
    if FINALIZER not in volume.metadata.finalizers:
        return
    node = found.head.labels.get(ON_NODE, "")
    if deletes and node:
        if view.of(NODES).get("", node) is not None:
            return
        yield [Absent(NODES, "", node, "")]
    body = found.json()
    body["metadata"]["finalizers"] = [each for each in volume.metadata.finalizers if each != FINALIZER]
    yield [Update(PERSISTENTVOLUMES, "", found.head.name, body)]


def _on_node(node: Object, view: View) -> list[str]:
    """Volumes that wait for a node which is gone now."""
    return [
        each.key
        for each in view.of(PERSISTENTVOLUMES).list()
        if each.head.deleting and each.head.labels.get(ON_NODE) == node.head.name
    ]


CONTROLLER = Controller(
    name="hostpath-deleter",
    component=NAME,
    reconcile=reconcile,
    resource=PERSISTENTVOLUMES,
    watches=(Watch(NODES, _on_node, alike=lambda old, new: True),),
    relevant=lambda found: is_ours(found.view),
)
