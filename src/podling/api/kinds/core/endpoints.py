"""Endpoints.

The older list of a Service's backends, one object a Service; EndpointSlices have taken its place.
"""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, NONE, column
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


KIND = Kind(
    "",
    "v1",
    "Endpoints",
    Endpoints,
    defaults=defaults,
    strategy=Strategy(create_on_update=True),
    columns=(NAME, column("Endpoints", addresses, description="Ready addresses with their ports."), AGE),
)
