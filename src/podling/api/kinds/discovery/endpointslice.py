"""EndpointSlice.

The backends of a Service, up to a thousand a slice, with what proxies need to choose among them.
"""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, column, joined, value
from podling.api.kinds.core.references import ObjectReference
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


KIND = Kind(
    "discovery.k8s.io",
    "v1",
    "EndpointSlice",
    EndpointSlice,
    defaults=defaults,
    strategy=Strategy(on_create=on_create, on_update=on_update),
    columns=(
        NAME,
        column("AddressType", value("addressType"), description="IPv4, IPv6 or FQDN."),
        column("Ports", ports, description="Ports of the backends."),
        column("Endpoints", addresses, description="Addresses of the backends."),
        AGE,
    ),
)
