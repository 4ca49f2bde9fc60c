"""VolumeAttachment: a volume that shall be attached to a node."""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, column, flag, value
from podling.api.kinds.kind import Kind, Strategy
from podling.api.kinds.versions import same_shape, without_defaults

KIND = Kind(
    "storage.k8s.io",
    "v1",
    "VolumeAttachment",
    strategy=Strategy(status=True, unconditional_update=False, empty_status={"attached": False}),
    columns=(
        NAME,
        column("Attacher", value("spec.attacher"), description="Who attaches it."),
        column("PV", value("spec.source.persistentVolumeName"), description="The volume."),
        column("Node", value("spec.nodeName"), description="The node."),
        column("Attached", flag("status.attached"), "boolean", description="Whether it is done."),
        AGE,
    ),
    conversions=(same_shape("storage.k8s.io", "v1beta1", without_defaults, "storage.k8s.io/v1"),),
)
