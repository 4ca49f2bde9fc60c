"""The DNS records of one Service, as the specification "Kubernetes DNS-Based Service Discovery" 1.1.0 has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from podling.api.kinds.core.service import Service
from podling.api.kinds.discovery.endpointslice import Endpoint, EndpointSlice
from podling.wire import dns
from podling.wire.dns import Record, srv_data, wire_name


def service_name(service: Service, domain: str) -> str:
    return f"{service.metadata.name}.{service.metadata.namespace}.svc.{domain}".lower()


def records_of(service: Service, slices: Iterable[EndpointSlice], domain: str) -> list[Record]:
    """Everything that this Service puts into the zone of `domain` and into the reverse zones."""
    try:
        records = list(_records(service, slices, domain))
        for record in records:
            wire_name(record.name)
    except ValueError:
        return []  # what DNS cannot express has no records
    return records


def _records(service: Service, slices: Iterable[EndpointSlice], domain: str) -> Iterator[Record]:
    name = service_name(service, domain)
    if service.spec.type == "ExternalName":
        yield Record(name, dns.CNAME, wire_name(service.spec.external_name.lower()))
    elif service.spec.cluster_ip == "None":
        yield from _headless(name, slices)
    else:
        yield from _with_address(name, service)


def reverse_name(address: str) -> str:
    return IPv4Address(address).reverse_pointer


def _with_address(name: str, service: Service) -> Iterator[Record]:
    for address in service.spec.cluster_ips or (service.spec.cluster_ip,):
        if address and ":" not in address:
            yield Record(name, dns.A, IPv4Address(address).packed)
            yield Record(reverse_name(address), dns.PTR, wire_name(name))
    for port in service.spec.ports:
        yield from _port(name, port.name, port.protocol or "TCP", port.port, name)


def _headless(name: str, slices: Iterable[EndpointSlice]) -> Iterator[Record]:
    """Each ready endpoint under the Service's name, and under its own."""
    seen: set[Record] = set()
    for found in slices:
        if found.address_type != "IPv4":
            continue
        for endpoint in found.endpoints:
            if endpoint.conditions.ready is not False:
                for record in _endpoint(name, endpoint, found):
                    if record not in seen:
                        seen.add(record)
                        yield record


def _endpoint(name: str, endpoint: Endpoint, found: EndpointSlice) -> Iterator[Record]:
    for address in endpoint.addresses:
        packed = IPv4Address(address).packed
        own = f"{endpoint.hostname or address.replace('.', '-')}.{name}".lower()
        yield Record(name, dns.A, packed)
        yield Record(own, dns.A, packed)
        yield Record(reverse_name(address), dns.PTR, wire_name(own))
        for port in found.ports:
            yield from _port(name, port.name or "", port.protocol or "TCP", port.port or 0, own)


def _port(name: str, port_name: str, protocol: str, port: int, target: str) -> Iterator[Record]:
    if port_name:
        yield Record(f"_{port_name}._{protocol.lower()}.{name}", dns.SRV, srv_data(0, 100, port, target))
