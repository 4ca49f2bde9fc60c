"""What may be wrong with a Service, what a change of it takes along, and what it may not change."""

from __future__ import annotations

from typing import Any, Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.core.containerrules import PROTOCOLS
from podling.api.kinds.core.endpoints import special_ip

Json = dict[str, Any]

TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_DISTRIBUTIONS: Final = ("PreferClose", "PreferSameNode", "PreferSameZone")
_LONGEST_AFFINITY: Final = 86400
_KUBELET_PORT: Final = 10250
# A port as upstream shows it when it is there twice.
_PORT_SHOWN: Final = {"Name": "", "Protocol": "", "AppProtocol": None, "Port": 0, "TargetPort": 0, "NodePort": 0}


def has_node_ports(spec: Json) -> bool:
    if spec.get("type") == "LoadBalancer":
        return spec.get("allocateLoadBalancerNodePorts") is not False
    return spec.get("type") == "NodePort"


def service(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = _by_type(spec)
    ports = spec.get("ports") or []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        found += _port(f"spec.ports[{index}]", port, seen, name_needed=len(ports) > 1)
    found += rules.labels("spec.selector", spec.get("selector"))
    found += _affinity(spec)
    found += _addresses(spec)
    found += rules.required_one_of("spec.type", spec.get("type"), TYPES)
    if spec.get("type") == "ClusterIP":
        text = "may not be used when `type` is 'ClusterIP'"
        found += [causes.forbidden(f"spec.ports[{i}].nodePort", text) for i, p in enumerate(ports) if p.get("nodePort")]
    found += _twice(ports)
    return found + _traffic(spec)


def _by_type(spec: Json) -> list[Cause]:
    kind, ports = spec.get("type"), spec.get("ports") or []
    headless = spec.get("clusterIP") == "None"
    found: list[Cause] = []
    if not ports and not headless and kind != "ExternalName":
        found.append(causes.required("spec.ports"))
    if kind == "LoadBalancer":
        for index, port in enumerate(ports):
            if port.get("port") == _KUBELET_PORT:
                text = f"may not expose port {_KUBELET_PORT} externally since it is used by kubelet"
                found.append(causes.invalid(f"spec.ports[{index}]", _KUBELET_PORT, text))
    if kind in ("LoadBalancer", "NodePort") and headless:
        text = f"may not be set to 'None' for {kind} services"
        found.append(causes.invalid("spec.clusterIPs[0]", "None", text))
    if kind == "ExternalName":
        if spec.get("clusterIP") or spec.get("clusterIPs"):
            found.append(causes.forbidden("spec.clusterIPs", "may not be set for ExternalName services"))
        target = spec.get("externalName", "")
        found += rules.named("spec.externalName", target, lambda value: names.dns_subdomain(value.removesuffix(".")))
    return found


def _port(path: str, port: Json, seen: set[str], *, name_needed: bool) -> list[Cause]:
    name, found = port.get("name", ""), []
    if name:
        found += rules.all_invalid(f"{path}.name", name, names.dns_label(name))
        found += [causes.duplicate(f"{path}.name", name)] if name in seen else []
        seen.add(name)
    elif name_needed:
        found.append(causes.required(f"{path}.name"))
    found += rules.all_invalid(f"{path}.port", port.get("port", 0), names.port_number(port.get("port", 0)))
    found += rules.required_one_of(f"{path}.protocol", port.get("protocol"), PROTOCOLS)
    found += rules.port(f"{path}.targetPort", port.get("targetPort", 0))
    if protocol := port.get("appProtocol"):
        found += rules.all_invalid(f"{path}.appProtocol", protocol, names.qualified_name(protocol))
    return found


def _affinity(spec: Json) -> list[Cause]:
    kind, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    found = rules.required_one_of("spec.sessionAffinity", kind, ("ClientIP", "None"))
    if kind == "None" and config is not None:
        text = "must not be set when session affinity is None"
        found.append(causes.forbidden("spec.sessionAffinityConfig", text))
    if kind == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds", 0)
        if not 0 < seconds <= _LONGEST_AFFINITY:
            text = f"must be greater than 0 and less than {_LONGEST_AFFINITY}"
            found.append(causes.invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, text))
    return found


def _addresses(spec: Json) -> list[Cause]:
    found: list[Cause] = []
    address, addresses = spec.get("clusterIP", ""), spec.get("clusterIPs") or []
    if spec.get("type") != "ExternalName":
        if addresses and addresses[0] != address:
            text = "first value must match `clusterIP`"
            found.append(causes.invalid("spec.clusterIPs", addresses, text))
        found += _cluster_ips(addresses)
    else:
        text = "may not be set for ExternalName services"
        found += [causes.forbidden(f"spec.{name}", text) for name in ("ipFamilies", "ipFamilyPolicy") if spec.get(name)]
    for index, value in enumerate(spec.get("externalIPs") or ()):
        found += rules.all_invalid(f"spec.externalIPs[{index}]", value, names.ip_address(value) or special_ip(value))
    return found


def _cluster_ips(addresses: list[str]) -> list[Cause]:
    path, found = "spec.clusterIPs", []
    for index, value in enumerate(addresses):
        if value == "None":
            if len(addresses) > 1:
                found.append(causes.invalid(f"{path}[{index}]", value, "'None' must be the first and only value"))
            continue
        wrong = names.ip_address(value)
        found += rules.all_invalid(f"{path}[{index}]", value, wrong)
    if len(addresses) > 2:
        found.append(causes.invalid(path, addresses, "may only hold up to 2 values"))
    return found


def _balancing(spec: Json) -> list[Cause]:
    """What only balancers read."""
    kind, found = spec.get("type"), []
    text = "may only be used when `type` is 'LoadBalancer'"
    ranges = spec.get("loadBalancerSourceRanges") or []
    if ranges and kind != "LoadBalancer":
        found.append(causes.forbidden("spec.loadBalancerSourceRanges", text))
    for index, value in enumerate(ranges):
        found += rules.all_invalid(f"spec.loadBalancerSourceRanges[{index}]", value, names.cidr(value.strip()))
    name = spec.get("loadBalancerClass")
    if name is not None:
        if kind != "LoadBalancer":
            found.append(causes.forbidden("spec.loadBalancerClass", text))
        found += rules.all_invalid("spec.loadBalancerClass", name, names.qualified_name(name))
    return found


def _twice(ports: list[Json]) -> list[Cause]:
    found: list[Cause] = []
    seen: set[tuple[str, str, int]] = set()
    for index, port in enumerate(ports):
        protocol = port.get("protocol", "")
        for field in ("nodePort", "port"):
            number = port.get(field, 0)
            if not number:
                continue
            if (field, protocol, number) in seen:
                shown = number if field == "nodePort" else {**_PORT_SHOWN, "Protocol": protocol, "Port": number}
                path = f"spec.ports[{index}]" + (".nodePort" if field == "nodePort" else "")
                found.append(causes.duplicate(path, shown))
            seen.add((field, protocol, number))
    return found


def _traffic(spec: Json) -> list[Cause]:
    found: list[Cause] = []
    if spec.get("allocateLoadBalancerNodePorts") is not None and spec.get("type") != "LoadBalancer":
        text = "may only be used when `type` is 'LoadBalancer'"
        found.append(causes.forbidden("spec.allocateLoadBalancerNodePorts", text))
    found += _balancing(spec)
    outside = spec.get("externalTrafficPolicy")
    health = spec.get("healthCheckNodePort", 0)
    if health and (spec.get("type"), outside) != ("LoadBalancer", "Local"):
        text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        found.append(causes.invalid("spec.healthCheckNodePort", health, text))
    if outside:
        if spec.get("type") not in ("NodePort", "LoadBalancer") and not spec.get("externalIPs"):
            text = "may only be set for externally-accessible services"
            found.append(causes.invalid("spec.externalTrafficPolicy", outside, text))
        found += rules.one_of("spec.externalTrafficPolicy", outside, ("Cluster", "Local"))
    if inside := spec.get("internalTrafficPolicy"):
        found += rules.one_of("spec.internalTrafficPolicy", inside, ("Cluster", "Local"))
    if policy := spec.get("ipFamilyPolicy"):
        found += rules.one_of("spec.ipFamilyPolicy", policy, ("SingleStack", "PreferDualStack", "RequireDualStack"))
    families = spec.get("ipFamilies") or []
    for index, family in enumerate(families):
        found += rules.one_of(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6"))
        if family in families[:index]:
            found.append(causes.duplicate(f"spec.ipFamilies[{index}]", family))
    preference = spec.get("trafficDistribution")
    if preference is not None:
        found += rules.one_of("spec.trafficDistribution", preference, _DISTRIBUTIONS)
    return found


# ---- changes ----


def normalize(spec: Json) -> None:
    """clusterIP and the first of clusterIPs say the same; whoever wrote only the old one means both."""
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]


def on_create(obj: Json) -> None:
    normalize(obj["spec"])


def on_update(new: Json, old: Json) -> None:
    """Keeps what was allotted where the new object is silent, drops it where the new type has no use for it."""
    spec, before = new.setdefault("spec", {}), old.get("spec") or {}
    if spec.get("type") != "ExternalName" and before.get("type") != "ExternalName":
        _keep_addresses(spec, before)
    normalize(spec)
    if has_node_ports(spec) and has_node_ports(before):
        _keep_node_ports(spec, before)
    if before.get("healthCheckNodePort") and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = before["healthCheckNodePort"]
    _drop_unused(spec, before)
    if before.get("type") == "LoadBalancer" and spec.get("type") != "LoadBalancer":
        new["status"] = {**(new.get("status") or {}), "loadBalancer": {}}


def _keep_addresses(spec: Json, before: Json) -> None:
    if not spec.get("clusterIP") and not spec.get("clusterIPs"):
        for name in ("clusterIP", "clusterIPs"):
            if name in before:
                spec[name] = before[name]
    elif spec.get("clusterIP") != before.get("clusterIP") and spec.get("clusterIPs") == before.get("clusterIPs"):
        # Only the old field was edited.
        spec["clusterIPs"] = [spec["clusterIP"]] if spec.get("clusterIP") else []
    elif not spec.get("clusterIPs") and spec.get("clusterIP") == before.get("clusterIP"):
        spec["clusterIPs"] = before.get("clusterIPs") or []
    for name in ("ipFamilies", "ipFamilyPolicy"):
        if name in before:
            spec.setdefault(name, before[name])


def _keep_node_ports(spec: Json, before: Json) -> None:
    known = {
        (port.get("protocol", "TCP"), port.get("port")): port["nodePort"]
        for port in before.get("ports") or ()
        if port.get("nodePort")
    }
    taken = {port.get("nodePort") for port in spec.get("ports") or ()}
    for port in spec.get("ports") or ():
        kept = known.get((port.get("protocol", "TCP"), port.get("port")))
        if not port.get("nodePort") and kept and kept not in taken:
            port["nodePort"] = kept


def _drop_unused(spec: Json, before: Json) -> None:
    if has_node_ports(before) and not has_node_ports(spec):
        was = {port.get("nodePort") for port in before.get("ports") or ()}
        for port in spec.get("ports") or ():
            if port.get("nodePort") in was:
                del port["nodePort"]
    if spec.get("type") == "ExternalName" and before.get("type") != "ExternalName":
        for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            if spec.get(name) == before.get(name):
                spec.pop(name, None)
    inside = spec.get("type") in ("ClusterIP", "ExternalName") and not spec.get("externalIPs")
    if inside and spec.get("externalTrafficPolicy") == before.get("externalTrafficPolicy"):
        spec.pop("externalTrafficPolicy", None)
    if spec.get("type") != "LoadBalancer" and before.get("type") == "LoadBalancer":
        spec.pop("allocateLoadBalancerNodePorts", None)
        if spec.get("loadBalancerClass") == before.get("loadBalancerClass"):
            spec.pop("loadBalancerClass", None)
    local = (spec.get("type"), spec.get("externalTrafficPolicy")) == ("LoadBalancer", "Local")
    if not local and spec.get("healthCheckNodePort") == before.get("healthCheckNodePort"):
        spec.pop("healthCheckNodePort", None)


def service_status(new: Json, old: Json) -> list[Cause]:
    """What a balancer says of itself, which only balancers do."""
    ingress = ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    path, found = "status.loadBalancer.ingress", list[Cause]()
    if ingress and (new.get("spec") or {}).get("type") != "LoadBalancer":
        found.append(causes.forbidden(path, 'may only be used when `spec.type` is "LoadBalancer"'))
    for index, entry in enumerate(ingress):
        here, ip, mode, host = f"{path}[{index}]", entry.get("ip"), entry.get("ipMode"), entry.get("hostname")
        if ip:
            found += rules.all_invalid(f"{here}.ip", ip, names.ip_address(ip))
        elif mode is not None:
            found.append(causes.forbidden(f"{here}.ipMode", "may not be specified when `ip` is not set"))
        if mode is not None:
            found += rules.one_of(f"{here}.ipMode", mode, ("Proxy", "VIP"))
        if host:
            found += rules.all_invalid(f"{here}.hostname", host, names.dns_subdomain(host))
            if not names.ip_address(host):
                found.append(causes.invalid(f"{here}.hostname", host, "must be a DNS name, not an IP address"))
    return found


def service_update(new: Json, old: Json) -> list[Cause]:
    """The primary address is for the life of the Service, unless it becomes or was an alias."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    if "ExternalName" in (spec.get("type"), before.get("type")):
        return []
    now, was = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
    found: list[Cause] = []
    if (spec.get("type"), before.get("type")) == ("LoadBalancer", "LoadBalancer"):
        name = "loadBalancerClass"
        found += causes.immutable(f"spec.{name}", spec.get(name), before.get(name))
    port, held = spec.get("healthCheckNodePort", 0), before.get("healthCheckNodePort", 0)
    if port and held and port != held:
        found.append(causes.forbidden("spec.healthCheckNodePort", "field is immutable"))
    if not was:
        return found
    if not now:
        return [*found, causes.invalid("spec.clusterIPs[0]", None, "primary clusterIP can not be unset")]
    return found if now[0] == was[0] else [*found, causes.invalid("spec.clusterIPs[0]", now, "may not change once set")]
