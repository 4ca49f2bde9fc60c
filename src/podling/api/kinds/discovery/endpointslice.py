"""EndpointSlice.

The backends of a Service, up to a thousand a slice, with what proxies need to choose among them.
"""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, column, joined, value
from podling.api.kinds.core.containerrules import PROTOCOLS
from podling.api.kinds.core.endpoints import special_ip
from podling.api.kinds.core.references import ObjectReference
from podling.api.kinds.discovery import oldversions
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View, field


class ForZone(View, frozen=True):
    name: str = ""


class ForNode(View, frozen=True):
    name: str = ""


class EndpointHints(View, frozen=True):
    for_zones: tuple[ForZone, ...] = ()
    for_nodes: tuple[ForNode, ...] = ()


class EndpointConditions(View, frozen=True):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(View, frozen=True):
    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    target_ref: ObjectReference | None = None
    deprecated_topology: dict[str, str] = field(default_factory=dict)
    node_name: str | None = None
    zone: str | None = None
    hints: EndpointHints | None = None


class EndpointPort(View, frozen=True):
    name: str | None = None
    protocol: str | None = None
    port: int | None = None
    app_protocol: str | None = None


class EndpointSlice(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    address_type: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


SHOWN = 3
UNSET = "<unset>"


def defaults(obj: Json) -> None:
    for port in obj.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def on_create(obj: Json) -> None:
    obj["metadata"]["generation"] = 1


def on_update(new: Json, old: Json) -> None:
    """A slice has no spec: labels count as content."""
    same_labels = (new["metadata"].get("labels") or {}) == (old["metadata"].get("labels") or {})
    if not same_labels or {**new, "metadata": None} != {**old, "metadata": None}:
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    else:
        new["metadata"]["generation"] = old["metadata"].get("generation", 0)


def ports(obj: Json, now: float) -> str:
    shown = [str(port.get("port") or port.get("name") or "*") for port in obj.get("ports") or ()]
    return _cut(shown) if shown else UNSET


def addresses(obj: Json, now: float) -> str:
    shown = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return _cut(shown) if shown else UNSET


def _cut(shown: list[str]) -> str:
    more = len(shown) - SHOWN
    return joined(shown[:SHOWN]) + (f" + {more} more..." if more > 0 else "")


ENDPOINTS_LIMIT, ADDRESSES_LIMIT, PORTS_LIMIT = 1000, 100, 20000
HINTS_LIMIT, TOPOLOGY_LIMIT = 8, 16


def validate(obj: Json) -> list[Cause]:
    kind, endpoints = obj.get("addressType", ""), obj.get("endpoints") or []
    found = rules.required_one_of("addressType", kind, ("FQDN", "IPv4", "IPv6"))
    if len(endpoints) > ENDPOINTS_LIMIT:
        return [*found, causes.too_many("endpoints", len(endpoints), ENDPOINTS_LIMIT)]
    for index, endpoint in enumerate(endpoints):
        found += _endpoint(f"endpoints[{index}]", endpoint, kind)
    return found + _ports(obj.get("ports") or [])


def _endpoint(path: str, endpoint: Json, kind: str) -> list[Cause]:
    addresses, found = endpoint.get("addresses") or [], []
    if not addresses:
        found.append(causes.required(f"{path}.addresses", "must contain at least 1 address"))
    elif len(addresses) > ADDRESSES_LIMIT:
        found.append(causes.too_many(f"{path}.addresses", len(addresses), ADDRESSES_LIMIT))
    for index, address in enumerate(addresses):
        found += rules.all_invalid(f"{path}.addresses[{index}]", address, _wrong_address(address, kind))
    if hostname := endpoint.get("hostname"):
        found += rules.all_invalid(f"{path}.hostname", hostname, names.dns_label(hostname))
    if node := endpoint.get("nodeName"):
        found += rules.all_invalid(f"{path}.nodeName", node, names.dns_subdomain(node))
    topology = endpoint.get("deprecatedTopology") or {}
    if len(topology) > TOPOLOGY_LIMIT:
        found.append(causes.too_many(f"{path}.deprecatedTopology", len(topology), TOPOLOGY_LIMIT))
    found += rules.labels(f"{path}.deprecatedTopology", topology)
    for name in ("kubernetes.io/hostname", "topology.kubernetes.io/zone"):
        if name in topology:
            instead = "nodeName" if name.startswith("kubernetes.io") else "zone"
            text = f"cannot be set in deprecatedTopology, use {instead} instead"
            found.append(causes.invalid(f"{path}.deprecatedTopology[{name}]", topology[name], text))
    return found + _hints(f"{path}.hints", endpoint.get("hints"))


def _hints(path: str, hints: Json | None) -> list[Cause]:
    found: list[Cause] = []
    for where, rule in (("forZones", names.label_value), ("forNodes", names.dns_subdomain)):
        given = (hints or {}).get(where) or []
        if len(given) > HINTS_LIMIT:
            return [causes.too_many(f"{path}.{where}", len(given), HINTS_LIMIT)]
        for index, each in enumerate(given):
            here, name = f"{path}.{where}[{index}].name", each.get("name", "")
            if each in given[:index]:
                found.append(causes.duplicate(here, name))
            found += rules.all_invalid(here, name, rule(name))
    return found


def _wrong_address(address: str, kind: str) -> list[str]:
    if kind == "FQDN":
        return names.dns_subdomain(address)
    if names.ip_address(address) or (":" in address) != (kind == "IPv6"):
        return [f"must be a valid {kind} address"]
    return special_ip(address)


def _ports(ports: list[Json]) -> list[Cause]:
    if len(ports) > PORTS_LIMIT:
        return [causes.too_many("ports", len(ports), PORTS_LIMIT)]
    found: list[Cause] = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        here, name, number = f"ports[{index}]", port.get("name", ""), port.get("port")
        if name:
            found += rules.all_invalid(f"{here}.name", name, names.dns_label(name))
        if name in seen:
            found.append(causes.duplicate(f"{here}.name", name))
        seen.add(name)
        found += rules.required_one_of(f"{here}.protocol", port.get("protocol"), PROTOCOLS)
        if number is not None:
            found += rules.all_invalid(f"{here}.port", number, names.port_number(number))
        if application := port.get("appProtocol"):
            found += rules.all_invalid(f"{here}.appProtocol", application, names.qualified_name(application))
    return found


def validate_update(new: Json, old: Json) -> list[Cause]:
    return causes.immutable("addressType", new.get("addressType"), old.get("addressType"))


KIND = Kind(
    "discovery.k8s.io",
    "v1",
    "EndpointSlice",
    EndpointSlice,
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
    strategy=Strategy(on_create=on_create, on_update=on_update),
    columns=(
        NAME,
        column("AddressType", value("addressType"), description="IPv4, IPv6 or FQDN."),
        column("Ports", ports, description="Ports of the backends."),
        column("Endpoints", addresses, description="Addresses of the backends."),
        AGE,
    ),
    conversions=(oldversions.slices(defaults),),
)
