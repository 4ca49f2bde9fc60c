"""Node.

A machine that runs Pods, registered by its kubelet, which may say everything at once: a Node may be created with its
status.
"""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, NONE, UNKNOWN, at, column, joined, value
from podling.api.kinds.core import resourcerules, schedulingrules
from podling.api.kinds.kind import Cell, Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View, field


class Taint(View, frozen=True):
    key: str = ""
    value: str = ""
    effect: str = ""
    time_added: str | None = None


class NodeSpec(View, frozen=True):
    pod_cidr: str = field(default="", name="podCIDR")
    pod_cidrs: tuple[str, ...] = field(default=(), name="podCIDRs")
    provider_id: str = field(default="", name="providerID")
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()
    external_id: str = field(default="", name="externalID")


class NodeAddress(View, frozen=True):
    type: str = ""
    address: str = ""


class DaemonEndpoint(View, frozen=True):
    port: int = field(default=0, name="Port")


class NodeDaemonEndpoints(View, frozen=True):
    kubelet_endpoint: DaemonEndpoint = DaemonEndpoint()


class NodeSystemInfo(View, frozen=True):
    machine_id: str = field(default="", name="machineID")
    system_uuid: str = field(default="", name="systemUUID")
    boot_id: str = field(default="", name="bootID")
    kernel_version: str = ""
    os_image: str = ""
    container_runtime_version: str = ""
    kubelet_version: str = ""
    kube_proxy_version: str = ""
    operating_system: str = ""
    architecture: str = ""


class ContainerImage(View, frozen=True):
    names: tuple[str, ...] = ()
    size_bytes: int = 0


class AttachedVolume(View, frozen=True):
    name: str = ""
    device_path: str = ""


class NodeCondition(View, frozen=True):
    type: str = ""
    status: str = ""
    last_heartbeat_time: str = ""
    last_transition_time: str = ""
    reason: str = ""
    message: str = ""


class NodeRuntimeHandlerFeatures(View, frozen=True):
    recursive_read_only_mounts: bool | None = None
    user_namespaces: bool | None = None


class NodeRuntimeHandler(View, frozen=True):
    name: str = ""
    features: NodeRuntimeHandlerFeatures | None = None


class NodeFeatures(View, frozen=True):
    supplemental_groups_policy: bool | None = None


class NodeStatus(View, frozen=True):
    capacity: dict[str, str] = field(default_factory=dict)
    allocatable: dict[str, str] = field(default_factory=dict)
    phase: str = ""
    conditions: tuple[NodeCondition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    daemon_endpoints: NodeDaemonEndpoints = NodeDaemonEndpoints()
    node_info: NodeSystemInfo = NodeSystemInfo()
    images: tuple[ContainerImage, ...] = ()
    volumes_in_use: tuple[str, ...] = ()
    volumes_attached: tuple[AttachedVolume, ...] = ()
    runtime_handlers: tuple[NodeRuntimeHandler, ...] = ()
    features: NodeFeatures | None = None
    declared_features: tuple[str, ...] = ()


class Node(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"


def defaults(obj: Json) -> None:
    status = obj.get("status") or {}
    if status.get("capacity") and "allocatable" not in status:
        status["allocatable"] = dict(status["capacity"])


def fields(obj: Json) -> dict[str, str]:
    return {"spec.unschedulable": "true" if (obj.get("spec") or {}).get("unschedulable") else "false"}


def status(obj: Json, now: float) -> str:
    """`Ready`, `NotReady` or `Unknown`, and `SchedulingDisabled` of a cordoned node."""
    ready = [c.get("status") for c in at(obj, "status.conditions") or () if c.get("type") == "Ready"]
    shown = [("Ready" if ready[-1] == "True" else "NotReady") if ready else "Unknown"]
    if at(obj, "spec.unschedulable"):
        shown.append("SchedulingDisabled")
    return ",".join(shown)


def roles(obj: Json, now: float) -> str:
    found = set()
    for key, text in (at(obj, "metadata.labels") or {}).items():
        if key.startswith(ROLE_PREFIX) and len(key) > len(ROLE_PREFIX):
            found.add(key.removeprefix(ROLE_PREFIX))
        elif key == ROLE_LABEL and text:
            found.add(text)
    return joined(sorted(found))


def address(kind: str) -> Cell:
    def cell(obj: Json, now: float) -> str:
        found = (a.get("address", "") for a in at(obj, "status.addresses") or () if a.get("type") == kind)
        return next(found, NONE)

    return cell


def validate(obj: Json) -> list[Cause]:
    found: list[Cause] = []
    seen: list[tuple[str, str]] = []
    for index, taint in enumerate(at(obj, "spec.taints") or ()):
        here, key, effect = f"spec.taints[{index}]", taint.get("key", ""), taint.get("effect", "")
        found += rules.all_invalid(f"{here}.key", key, names.qualified_name(key))
        text = taint.get("value", "")
        found += rules.all_invalid(f"{here}.value", text, names.label_value(text))
        found += rules.required_one_of(f"{here}.effect", effect, schedulingrules.EFFECTS)
        if (key, effect) in seen:
            found.append(causes.duplicate(here, taint))
        seen.append((key, effect))
    return found + _status(obj)


def _status(obj: Json) -> list[Cause]:
    found: list[Cause] = []
    for part in ("capacity", "allocatable"):
        for name, amount in (at(obj, f"status.{part}") or {}).items():
            found += resourcerules.amount(f"status.{part}[{name}]", amount)
    seen: list[Json] = []
    for index, address in enumerate(at(obj, "status.addresses") or ()):
        if address in seen:
            found.append(causes.duplicate(f"status.addresses[{index}]", address))
        seen.append(address)
    return found


def validate_update(new: Json, old: Json) -> list[Cause]:
    found: list[Cause] = []
    for key, name in (("providerID", "providerID"), ("podCIDRs", "podCIDR")):
        before = at(old, f"spec.{key}")
        if before and at(new, f"spec.{key}") != before:
            text = f'node updates may not change {name} except from "" to valid'
            found.append(causes.forbidden(f"spec.{key}", text))
    return found


def validate_status(new: Json, old: Json) -> list[Cause]:
    return _status(new)


KIND = Kind(
    "",
    "v1",
    "Node",
    Node,
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    strategy=Strategy(status=True, status_on_create=True),
    columns=(
        NAME,
        column("Status", status, description="Whether the node takes Pods."),
        column("Roles", roles, description="Its roles, from labels."),
        AGE,
        column("Version", value("status.nodeInfo.kubeletVersion"), description="Version of its kubelet."),
        column("Internal-IP", address("InternalIP"), wide=True, description="Address inside the cluster."),
        column("External-IP", address("ExternalIP"), wide=True, description="Address from outside."),
        column("OS-Image", value("status.nodeInfo.osImage", UNKNOWN), wide=True, description="Operating system."),
        column("Kernel-Version", value("status.nodeInfo.kernelVersion", UNKNOWN), wide=True, description="Kernel."),
        column(
            "Container-Runtime",
            value("status.nodeInfo.containerRuntimeVersion", UNKNOWN),
            wide=True,
            description="Container runtime and its version.",
        ),
    ),
    fields=fields,
    field_names=frozenset(("spec.unschedulable",)),
)
