"""Volumes that this cluster makes itself: folders of a node, below the node's own state.

Claims of a class with this provisioner get a folder on the node where their Pod goes, as users of minikube, kind and
k3s know it. Three parties know the marks below: the controllers that make, grow and delete such volumes, the kubelet
that makes the folder and removes what is in it, and whoever gives a new cluster its class `standard`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podling.api.kinds.core.persistentvolume import PersistentVolume
from podling.reconcile.volumes import PROVISIONED_BY

NAME = "podling.dev/hostpath"
"""The provisioner, as a StorageClass names it."""
FOLDER = "podling.dev/volumes"
"""Annotation of a Node: the folder in which its volumes lie, one folder each. Nodes that run nothing have none."""
ON_NODE = "podling.dev/node"
"""Label of a volume: the node on which its data lies."""
FINALIZER = "podling.dev/volume-data"
"""Of a volume whose data lies on a node: taken off when it is gone there."""
SIMULATED = "podling.dev/simulated"
"""Label of a Node on which nothing runs, so that no data will ever lie there."""

STANDARD: Mapping[str, Any] = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": NAME,
    "reclaimPolicy": "Delete",
    # The folder is one node's: only who places the Pod can say whose, and only then is there anything to make.
    "volumeBindingMode": "WaitForFirstConsumer",
    "allowVolumeExpansion": True,
}
"""The default class of a new cluster, to be created once: whoever changes or deletes it has the last word."""


def is_ours(volume: PersistentVolume) -> bool:
    return volume.metadata.annotations.get(PROVISIONED_BY) == NAME


def may_lose_data(volume: PersistentVolume) -> bool:
    """The volume is being deleted, nobody has it any more, and its policy says that nobody shall."""
    policy, phase = volume.spec.persistent_volume_reclaim_policy, volume.status.phase
    return bool(volume.metadata.deletion_timestamp) and policy == "Delete" and phase != "Bound"
