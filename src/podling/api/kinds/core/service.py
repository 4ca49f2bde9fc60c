"""Service.

One address and name for the Pods a selector finds. Addresses and node ports are given by the API server's allocators;
what is filled in here depends on the Service alone.
"""

from __future__ import annotations

from podling.api import names
from podling.api.kinds.cells import AGE, NAME, NONE, UNKNOWN, at, column, joined, labels_text, value
from podling.api.kinds.core import servicerules, warnings
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import Condition, ObjectMeta
from podling.api.kinds.view import View, field


class ClientIPConfig(View, frozen=True):
    timeout_seconds: int | None = None


class SessionAffinityConfig(View, frozen=True):
    client_ip: ClientIPConfig | None = field(default=None, name="clientIP")


class ServicePort(View, frozen=True):
    name: str = ""
    protocol: str = ""
    app_protocol: str | None = None
    port: int = 0
    target_port: int | str = 0
    node_port: int = 0


class ServiceSpec(View, frozen=True):
    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] = field(default_factory=dict)
    cluster_ip: str = field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = field(default=(), name="clusterIPs")
    type: str = ""
    external_ips: tuple[str, ...] = field(default=(), name="externalIPs")
    session_affinity: str = ""
    load_balancer_ip: str = field(default="", name="loadBalancerIP")
    load_balancer_source_ranges: tuple[str, ...] = ()
    external_name: str = ""
    external_traffic_policy: str = ""
    health_check_node_port: int = 0
    publish_not_ready_addresses: bool = False
    session_affinity_config: SessionAffinityConfig | None = None
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str | None = None
    allocate_load_balancer_node_ports: bool | None = None
    load_balancer_class: str | None = None
    internal_traffic_policy: str | None = None
    traffic_distribution: str | None = None


class PortStatus(View, frozen=True):
    port: int = 0
    protocol: str = ""
    error: str | None = None


class LoadBalancerIngress(View, frozen=True):
    ip: str = ""
    hostname: str = ""
    ip_mode: str | None = None
    ports: tuple[PortStatus, ...] = ()


class LoadBalancerStatus(View, frozen=True):
    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(View, frozen=True):
    load_balancer: LoadBalancerStatus = LoadBalancerStatus()
    conditions: tuple[Condition, ...] = ()


class Service(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


AFFINITY_SECONDS = 10800


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, "sessionAffinity", "None")
    fill(spec, "type", "ClusterIP")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP" and at(spec, "sessionAffinityConfig.clientIP.timeoutSeconds") is None:
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}}
    for port in spec.get("ports") or ():
        fill(port, "protocol", "TCP")
        fill(port, "targetPort", port.get("port", 0))
    outside = spec["type"] in ("NodePort", "LoadBalancer")
    if outside or (spec["type"] == "ClusterIP" and spec.get("externalIPs")):
        fill(spec, "externalTrafficPolicy", "Cluster")
    if outside or spec["type"] == "ClusterIP":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        for ingress in at(obj, "status.loadBalancer.ingress") or ():
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")


def fields(obj: Json) -> dict[str, str]:
    spec = obj.get("spec") or {}
    return {"spec.clusterIP": spec.get("clusterIP", ""), "spec.type": spec.get("type", "")}


def cluster_ip(obj: Json, now: float) -> str:
    addresses = at(obj, "spec.clusterIPs") or [at(obj, "spec.clusterIP")]
    return addresses[0] or NONE


def external_ip(obj: Json, now: float) -> str:
    spec = obj.get("spec") or {}
    addresses = spec.get("externalIPs") or []
    match spec.get("type"):
        case "ClusterIP" | "NodePort":
            return joined(addresses)
        case "LoadBalancer":
            ingress = at(obj, "status.loadBalancer.ingress") or ()
            found = sorted({entry.get("ip") or entry.get("hostname", "") for entry in ingress})
            return joined([*found, *addresses], "<pending>")
        case "ExternalName":
            return str(spec.get("externalName", ""))
    return UNKNOWN


def ports(obj: Json, now: float) -> str:
    """`80/TCP`, or `8080:31234/TCP` with a node port."""
    shown = []
    for port in at(obj, "spec.ports") or ():
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port.get('port', 0)}{node_port}/{port.get('protocol', 'TCP')}")
    return joined(shown)


KIND = Kind(
    "",
    "v1",
    "Service",
    Service,
    defaults=defaults,
    warnings=warnings.service,
    validate=servicerules.service,
    validate_update=servicerules.service_update,
    validate_status=servicerules.service_status,
    name_rule=names.dns_1035_label,
    strategy=Strategy(
        status=True,
        empty_status={"loadBalancer": {}},
        create_on_update=True,
        returns_deleted=True,
        on_create=servicerules.on_create,
        on_update=servicerules.on_update,
    ),
    columns=(
        NAME,
        column("Type", value("spec.type"), description="How the Service is exposed."),
        column("Cluster-IP", cluster_ip, description="Its address inside the cluster."),
        column("External-IP", external_ip, description="Addresses outside of the cluster."),
        column("Port(s)", ports, description="Ports, node ports and protocols."),
        AGE,
        column("Selector", lambda obj, _: labels_text(at(obj, "spec.selector")), wide=True, description="Its Pods."),
    ),
    fields=fields,
    field_names=frozenset(("spec.clusterIP", "spec.type")),
)
