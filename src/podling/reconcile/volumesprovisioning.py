"""Who makes a volume for a claim: a provisioner outside of the cluster's own controllers, or nobody.

The plugins that once were part of Kubernetes live on as CSI drivers; a class that still has an old name means the
driver (Kubernetes documentation, "Storage Classes", "CSI driver migration").
"""

from __future__ import annotations

MIGRATED = {
    "kubernetes.io/aws-ebs": "ebs.csi.aws.com",
    "kubernetes.io/azure-disk": "disk.csi.azure.com",
    "kubernetes.io/azure-file": "file.csi.azure.com",
    "kubernetes.io/cinder": "cinder.csi.openstack.org",
    "kubernetes.io/gce-pd": "pd.csi.storage.gke.io",
    "kubernetes.io/portworx-volume": "pxd.portworx.com",
    "kubernetes.io/vsphere-volume": "csi.vsphere.vmware.com",
}
OURS = "kubernetes.io/"
PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BETA_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"


def provisioner(named: str) -> str:
    """Who is asked in the end; "" where the name is of a plugin that does not exist."""
    if named in MIGRATED:
        return MIGRATED[named]
    return "" if named.startswith(OURS) else named


def waiting_for(external: str) -> str:
    return (
        f"Waiting for a volume to be created either by the external provisioner '{external}' or manually by the system "
        "administrator. If volume creation is delayed, please verify that the provisioner is running and correctly "
        "registered."
    )
