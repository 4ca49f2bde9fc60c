"""Volumes of CSI drivers are attached to the nodes of the Pods that claim them, by making VolumeAttachments.

One half of upstream's attach-detach controller, from the Pod's side; `volumedetacher.py` follows what became of them.
The driver's own attacher carries them out. A volume that only one node may have is not attached to a second one before
the first is rid of it, and the Pod is told what it waits for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podling.api.errors import AlreadyExists
from podling.api.kinds.core.persistentvolume import PersistentVolume
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
from podling.reconcile.action import Create, Plan, Remember, Tell, reference
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View
from podling.reconcile.volumes import claims_of

FAILED = "FailedAttachVolume"


def reconcile(found: Object, view: View) -> Plan:
    node = view.of(NODES).get("", found.view.spec.node_name)
    if node is None or not attachments.is_managed(node) or not attachments.uses_volumes(found):
        return
    missing: list[Object] = []
    waiting: list[str] = []
    for volume in attachments.volumes_of(found, view):
        name = attachments.name_of(volume.view.spec.csi, node.head.name)
        if view.of(VOLUMEATTACHMENTS).get("", name) is not None:
            continue
        why = _held_elsewhere(volume.view, node.head.name, view)
        if why:
            waiting.append(f'Multi-Attach error for volume "{volume.head.name}" {why}')
        else:
            missing.append(volume)
    told = tuple(waiting)
    if view.failure is not None and not isinstance(view.failure, AlreadyExists):
        error = view.failure.message
        told += tuple(f'AttachVolume.Attach failed for volume "{each.head.name}" : {error}' for each in missing)
    if told and told != view.remembered:
        yield [*(Tell(reference(found), "Warning", FAILED, text) for text in told), Remember(told)]
    if missing:
        yield [Create(VOLUMEATTACHMENTS, "", _attachment(volume.view, node)) for volume in missing]


def _held_elsewhere(volume: PersistentVolume, node: str, view: View) -> str:
    """Why the volume cannot be had here now, "" where it can."""
    modes = volume.spec.access_modes
    if not modes or attachments.SHARED & set(modes):
        return ""
    others = {
        each.view.spec.node_name
        for each in view.of(VOLUMEATTACHMENTS).list()
        if each.view.spec.source.persistent_volume_name == volume.metadata.name and each.view.spec.node_name != node
    }
    if not others:
        return ""
    pods = sorted(each.head.name for each in attachments.users(volume, view) if each.view.spec.node_name in others)
    if pods:
        return f"Volume is already used by pod(s) {', '.join(pods)}"
    return "Volume is already exclusively attached to one node and can't be attached to another"


def _attachment(volume: PersistentVolume, node: Object) -> dict[str, Any]:
    assert volume.spec.csi is not None
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": attachments.name_of(volume.spec.csi, node.head.name)},
        "spec": {
            "attacher": volume.spec.csi.driver,
            "nodeName": node.head.name,
            "source": {"persistentVolumeName": volume.metadata.name},
        },
    }


def _of_attachment(gone: Object, view: View) -> Iterable[str]:
    """Pods that want the volume which one node less has now."""
    volume = view.of(PERSISTENTVOLUMES).get("", gone.view.spec.source.persistent_volume_name)
    return () if volume is None else [each.key for each in attachments.users(volume.view, view)]


def _of_claim(changed: Object, view: View) -> Iterable[str]:
    """Pods that had a node before their claim had a volume."""
    if changed.view.status.phase != "Bound":
        return
    for each in view.of(PODS).list(changed.head.namespace):
        if each.view.spec.node_name and changed.head.name in claims_of(each):
            yield each.key


def _of_node(came: Object, view: View) -> Iterable[str]:
    return (each.key for each in view.of(PODS).on_node(came.head.name) if attachments.uses_volumes(each))


def _same_place(old: Object, new: Object) -> bool:
    return bool(old.view.spec.node_name == new.view.spec.node_name) and old.head.uid == new.head.uid


CONTROLLER = Controller(
    name="volume-attacher",
    component="attachdetach-controller",
    reconcile=reconcile,
    resource=PODS,
    watches=(
        Watch(VOLUMEATTACHMENTS, _of_attachment, alike=lambda old, new: True),
        Watch(
            PERSISTENTVOLUMECLAIMS,
            _of_claim,
            alike=lambda old, new: bool(old.view.status.phase == new.view.status.phase),
        ),
        Watch(NODES, _of_node, alike=lambda old, new: attachments.is_managed(old) == attachments.is_managed(new)),
    ),
    reads=(PERSISTENTVOLUMES, CSIDRIVERS),
    relevant=attachments.uses_volumes,
    alike=_same_place,
)
