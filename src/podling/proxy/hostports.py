"""Host ports: what a Pod publishes of itself on its node, as fronts beside those of the Services.

A port without an address is everybody's who can name the node: at its InternalIP, on its loopback (for Pods that share
the node's network) and, published, at its address on the host. A Pod that shares the node's network listens there
already; its ports are only published.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from podling.proxy.services import Front, Place, Rule

LOOPBACK, ANY = "127.0.0.1", ("", "0.0.0.0")


class HostPort(NamedTuple):
    """`address` may be empty: any of the node's."""

    protocol: str
    address: str
    port: int
    target: int


def fronts_of(ports: Iterable[HostPort], ip: str, place: Place, host_address: str) -> dict[Front, Rule]:
    """Where the ports of the Pod at `ip` are; `host_address` is the node's on the host, empty if it has none."""
    out: dict[Front, Rule] = {}
    for port in ports:
        rule = Rule(((ip, port.target),))
        if ip == place.address:
            named = port.address in (*ANY, ip, host_address)
            addresses: tuple[str, ...] = (host_address,) if named and host_address else ()
        else:
            addresses = (place.address, LOOPBACK) if port.address in ANY else (port.address,)
        out |= {Front(address, port.port, port.protocol): rule for address in addresses if ":" not in address}
    return out
