"""Endpoints.

The older list of a Service's backends, one object a Service; EndpointSlices have taken its place.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, NONE, column
from podling.api.kinds.core.containerrules import PROTOCOLS
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.core.references import ObjectReference
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View


class EndpointAddress(View, frozen=True):
    ip: str = ""
    hostname: str = ""
    node_name: str | None = None
    target_ref: ObjectReference | None = None


class EndpointPort(View, frozen=True):
    name: str = ""
    port: int = 0
    protocol: str = ""
    app_protocol: str | None = None


class EndpointSubset(View, frozen=True):
    addresses: tuple[EndpointAddress, ...] = ()
    not_ready_addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class Endpoints(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    subsets: tuple[EndpointSubset, ...] = ()


SHOWN = 3
_LINK_MULTICAST = (ip_network("224.0.0.0/24"), ip_network("ff02::/10", strict=False))


def defaults(obj: Json) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            fill(port, "protocol", "TCP")


def addresses(obj: Json, now: float) -> str:
    """`10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more...`."""
    subsets = obj.get("subsets") or ()
    if not subsets:
        return NONE
    found = []
    for subset in subsets:
        ready = [address.get("ip", "") for address in subset.get("addresses") or ()]
        if not subset.get("ports"):
            found += ready
        for port in subset.get("ports") or ():
            found += [f"[{ip}]:{port['port']}" if ":" in ip else f"{ip}:{port['port']}" for ip in ready]
    more = len(found) - SHOWN
    return ",".join(found[:SHOWN]) + (f" + {more} more..." if more > 0 else "")


def validate(obj: Json) -> list[Cause]:
    found: list[Cause] = []
    for index, subset in enumerate(obj.get("subsets") or ()):
        here, ports = f"subsets[{index}]", subset.get("ports") or []
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            found.append(causes.required(here, "must specify `addresses` or `notReadyAddresses`"))
        for field in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(field) or ()):
                found += _address(f"{here}.{field}[{number}]", address)
        for number, port in enumerate(ports):
            found += _port(f"{here}.ports[{number}]", port, name_needed=len(ports) > 1)
    return found


def _address(path: str, address: Json) -> list[Cause]:
    ip, hostname = address.get("ip", ""), address.get("hostname", "")
    wrong = names.ip_address(ip) or special_ip(ip)
    found = rules.all_invalid(f"{path}.ip", ip, wrong)
    return found + (rules.all_invalid(f"{path}.hostname", hostname, names.dns_label(hostname)) if hostname else [])


def special_ip(ip: str) -> list[str]:
    """Addresses that mean the machine itself or its link cannot be backends."""
    address = ip_address(ip)
    if address.is_unspecified:
        return [f"may not be unspecified ({ip})"]
    if address.is_loopback:
        return ["may not be in the loopback range (127.0.0.0/8, ::1/128)"]
    if address.is_link_local:
        return ["may not be in the link-local range (169.254.0.0/16, fe80::/10)"]
    if address in _LINK_MULTICAST[address.version == 6]:
        return ["may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"]
    return []


def _port(path: str, port: Json, *, name_needed: bool) -> list[Cause]:
    name, number, found = port.get("name", ""), port.get("port", 0), []
    if name:
        found += rules.all_invalid(f"{path}.name", name, names.dns_label(name))
    elif name_needed:
        found.append(causes.required(f"{path}.name"))
    found += rules.all_invalid(f"{path}.port", number, names.port_number(number))
    return found + rules.required_one_of(f"{path}.protocol", port.get("protocol"), PROTOCOLS)


KIND = Kind(
    "",
    "v1",
    "Endpoints",
    Endpoints,
    defaults=defaults,
    validate=validate,
    strategy=Strategy(create_on_update=True),
    columns=(NAME, column("Endpoints", addresses, description="Ready addresses with their ports."), AGE),
)
