"""VolumeAttachment: a volume that shall be attached to a node."""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, at, column, flag, value
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.storage import storagerules
from podling.api.kinds.versions import same_shape, without_defaults
from podling.api.kinds.view import View


class VolumeAttachmentSource(View, frozen=True):
    persistent_volume_name: str = ""


class VolumeAttachmentSpec(View, frozen=True):
    attacher: str = ""
    node_name: str = ""
    source: VolumeAttachmentSource = VolumeAttachmentSource()


class VolumeError(View, frozen=True):
    time: str = ""
    message: str = ""


class VolumeAttachmentStatus(View, frozen=True):
    attached: bool = False
    attach_error: VolumeError | None = None
    detach_error: VolumeError | None = None


class VolumeAttachment(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: VolumeAttachmentSpec = VolumeAttachmentSpec()
    status: VolumeAttachmentStatus = VolumeAttachmentStatus()


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = storagerules.driver_name("spec.attacher", spec.get("attacher", ""))
    name, inline = at(spec, "source.persistentVolumeName"), at(spec, "source.inlineVolumeSpec")
    if inline is None and name is None:
        found.append(
            causes.required("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
        )
    elif inline is not None and name is not None:
        text = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
        found.append(causes.forbidden("spec.source", text))
    elif name == "":
        found.append(causes.required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName"))
    return found + rules.named("spec.nodeName", spec.get("nodeName", ""), names.dns_subdomain)


def validate_update(new: Json, old: Json) -> list[Cause]:
    return causes.immutable("spec", new.get("spec"), old.get("spec"))


KIND = Kind(
    "storage.k8s.io",
    "v1",
    "VolumeAttachment",
    VolumeAttachment,
    validate=validate,
    validate_update=validate_update,
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
