"""VolumeAttachments are followed to their end: told to nodes and Pods, and deleted when no Pod needs them any more.

The other half of upstream's attach-detach controller. A Node's status lists what is attached to it, for its kubelet to
wait for. A volume that the node still says to use is not detached, unless somebody declared the node out of service, or
it has been unhealthy and the wait was six minutes. Attachments that others made are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from podling.api.kinds.core.persistentvolume import PersistentVolume
from podling.api.kinds.storage.volumeattachment import VolumeAttachment
from podling.api.objects import Object
from podling.client.resources import (
    CSIDRIVERS,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
    VOLUMEATTACHMENTS,
)
from podling.reconcile import attachments
from podling.reconcile.action import Again, Delete, Group, Patch, Plan, Remember, Tell, reference
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View
from podling.reconcile.volumes import claims_of

LONGEST_UNMOUNT = 360.0
"""Seconds a node may take to unmount before an unhealthy one is not asked any more."""
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


def reconcile(found: Object, view: View) -> Plan:
    attachment: VolumeAttachment = found.view
    if not attachments.is_ours(found.head.name):
        return
    node = view.of(NODES).get("", attachment.spec.node_name)
    volume = view.of(PERSISTENTVOLUMES).get("", attachment.spec.source.persistent_volume_name)
    pods = () if volume is None else _users(volume, attachment.spec.node_name, view)
    if volume is not None and pods and not found.head.deleting:
        yield from _followed(attachment, volume, node, pods, view)
        return
    name = "" if volume is None or volume.view.spec.csi is None else attachments.unique_name(volume.view.spec.csi)
    if not found.head.deleting and node is not None and name in node.view.status.volumes_in_use:
        since = view.remembered if isinstance(view.remembered, float) else view.now
        if not _may_be_forced(node, view.now - since):
            yield [Remember(since), Again(max(since + LONGEST_UNMOUNT - view.now, 1.0))]
            return
    if node is not None and name:
        yield from _listed(node, name, attached=False)
    if not found.head.deleting:
        yield [Delete(VOLUMEATTACHMENTS, "", found.head.name, found.head.uid)]


def _users(volume: Object, node: str, view: View) -> Sequence[Object]:
    return [each for each in attachments.users(volume.view, view) if each.view.spec.node_name == node]


def _followed(
    attachment: VolumeAttachment, volume: Object, node: Object | None, pods: Sequence[Object], view: View
) -> Plan:
    """What became of an attachment that is needed, for those who need it."""
    held: PersistentVolume = volume.view
    error = attachment.status.attach_error
    if attachment.status.attached:
        if node is not None and held.spec.csi is not None:
            written = _listed(node, attachments.unique_name(held.spec.csi), attached=True)
            text = f'AttachVolume.Attach succeeded for volume "{volume.head.name}" '
            told = [Tell(reference(each), "Normal", "SuccessfulAttachVolume", text) for each in pods]
            yield from written
            yield [*(told if written else ()), Remember(None)]
    elif error is not None and view.remembered != error.message:
        text = f'AttachVolume.Attach failed for volume "{volume.head.name}" : {error.message}'
        told = [Tell(reference(each), "Warning", "FailedAttachVolume", text) for each in pods]
        yield [*told, Remember(error.message)]
    elif error is None and view.remembered is not None:
        yield [Remember(None)]


def _may_be_forced(node: Object, waited: float) -> bool:
    if any(each.key == OUT_OF_SERVICE for each in node.view.spec.taints):
        return True
    return waited >= LONGEST_UNMOUNT and not _is_healthy(node)


def _is_healthy(node: Object) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in node.view.status.conditions)


def _listed(node: Object, name: str, *, attached: bool) -> list[Group]:
    """The write that makes the node's status say so; none where it does."""
    before = (node.json().get("status") or {}).get("volumesAttached") or []
    if attached is (name in {each["name"] for each in before}):
        return []
    after = [each for each in before if each["name"] != name]
    if attached:
        after.append({"name": name, "devicePath": ""})
    # The list is written as a whole: nobody else may have changed it meanwhile.
    body = {"metadata": {"resourceVersion": str(node.revision)}, "status": {"volumesAttached": after}}
    return [[Patch(NODES, "", node.head.name, body, "merge", "status")]]


def _of_pod(changed: Object, view: View) -> Iterable[str]:
    return _on(changed.view.spec.node_name, view) if claims_of(changed) else ()


def _of_node(changed: Object, view: View) -> Iterable[str]:
    return _on(changed.head.name, view)


def _on(node: str, view: View) -> Iterable[str]:
    return [each.key for each in view.of(VOLUMEATTACHMENTS).list() if each.view.spec.node_name == node]


def _same_use(old: Object, new: Object) -> bool:
    before, after = old.view, new.view
    if (before.spec.node_name, before.status.phase) != (after.spec.node_name, after.status.phase):
        return False
    return old.head.uid == new.head.uid


def _same_node(old: Object, new: Object) -> bool:
    before, after = old.view, new.view
    if before.spec.taints != after.spec.taints or _is_healthy(old) != _is_healthy(new):
        return False
    if before.status.volumes_in_use != after.status.volumes_in_use:
        return False
    return bool(before.status.volumes_attached == after.status.volumes_attached)


CONTROLLER = Controller(
    name="volume-detacher",
    component="attachdetach-controller",
    reconcile=reconcile,
    resource=VOLUMEATTACHMENTS,
    watches=(Watch(PODS, _of_pod, alike=_same_use), Watch(NODES, _of_node, alike=_same_node)),
    reads=(PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, CSIDRIVERS),
)
