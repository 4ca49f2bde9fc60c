"""Where a proxy subresource leads: `[scheme:]name[:port]` of a Pod, Service or Node, resolved as upstream does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from podling.api.errors import BadRequest, NotFound, ServiceUnavailable, not_found
from podling.api.kinds.core.node import Node
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.service import Service
from podling.api.kinds.discovery.endpointslice import EndpointSlice
from podling.api.objects import key_of, prefix_of
from podling.apiserver.anynode import any_node
from podling.apiserver.backend import Backend
from podling.apiserver.routing import Target

KUBELET_PORT = 10250
SLICE_OF = "kubernetes.io/service-name"


class Destination(NamedTuple):
    """`node` is where the connection is made, `address` and `port` where it goes."""

    scheme: str
    node: str
    address: str
    port: int


class Named(NamedTuple):
    scheme: str
    name: str
    port: str


def named(text: str, kind: str) -> Named:
    """Take `[scheme:]name[:port]` apart: one colon is a port, two are scheme and port. Raises BadRequest."""
    parts = text.split(":")
    if len(parts) == 1:
        parts = ["", *parts, ""]
    elif len(parts) == 2:
        parts = ["", *parts]
    if len(parts) != 3 or parts[0] not in ("", "http", "https") or not parts[1]:
        raise BadRequest(f'invalid {kind} request "{text}"')
    return Named(*parts)


def destination(backend: Backend, target: Target) -> Destination:
    """Raises NotFound, BadRequest, ServiceUnavailable."""
    if target.plural == "pods":
        return _pod(backend, target)
    if target.plural == "services":
        return _service(backend, target)
    return _node(backend, target)


def _pod(backend: Backend, target: Target) -> Destination:
    scheme, name, port = named(target.name, "pod")
    found = backend.cache.get(key_of("", "pods", target.namespace, name))
    if found is None:
        raise not_found("pods", name)
    pod: Pod = found.view
    if not port:
        ports = (container.ports[0].container_port for container in pod.spec.containers if container.ports)
        port = str(next(ports, 443 if scheme == "https" else 80))
    if not pod.spec.node_name or not pod.status.pod_ip:
        raise BadRequest(f"pod {name} does not have an address yet")
    return Destination(scheme or "http", pod.spec.node_name, pod.status.pod_ip, _number(port, "pod", target.name))


def _service(backend: Backend, target: Target) -> Destination:
    scheme, name, port = named(target.name, "service")
    found = backend.cache.get(key_of("", "services", target.namespace, name))
    if found is None:
        raise not_found("services", name)
    service: Service = found.view
    if port.isdigit():
        ports = {each.port: each.name for each in service.spec.ports}
        if int(port) not in ports:
            raise ServiceUnavailable(f'no service port {port} found for service "{name}"')
        port = ports[int(port)]
    ready = list(_ready(backend, target.namespace, name, port))
    if not ready:
        raise ServiceUnavailable(f'no endpoints available for service "{target.name}"')
    node, address, number = ready[int(backend.env.chance() * len(ready))]
    return Destination(scheme or "http", node, address, number)


def _ready(backend: Backend, namespace: str, service: str, port: str) -> Iterator[tuple[str, str, int]]:
    """(node, address, port) of each ready endpoint of one of the service's ports."""
    for found in backend.cache.list(prefix_of("discovery.k8s.io", "endpointslices", namespace)):
        if found.head.labels.get(SLICE_OF) != service:
            continue
        slice: EndpointSlice = found.view
        numbers = [each.port for each in slice.ports if (each.name or "") == port and each.port]
        for endpoint in slice.endpoints if numbers else ():
            if endpoint.conditions.ready is not False and endpoint.addresses:
                node = endpoint.node_name or _any_node(backend)
                yield node, endpoint.addresses[0], numbers[0] or 0


def _any_node(backend: Backend) -> str:
    """For addresses outside of any Pod."""
    if not (name := any_node(backend.cache)):
        raise ServiceUnavailable("no nodes available to dial the endpoint from")
    return name


def _node(backend: Backend, target: Target) -> Destination:
    scheme, name, port = named(target.name, "node")
    found = backend.cache.get(key_of("", "nodes", "", name))
    if found is None:
        raise not_found("nodes", name)
    node: Node = found.view
    addresses = {each.type: each.address for each in reversed(node.status.addresses)}
    address = addresses.get("InternalIP") or addresses.get("Hostname") or ""
    if not address:
        raise NotFound(f"no preferred addresses found; known addresses: {sorted(addresses)}")
    if port:
        return Destination(scheme or "http", name, address, _number(port, "node", target.name))
    return Destination(
        scheme or "https", name, address, node.status.daemon_endpoints.kubelet_endpoint.port or KUBELET_PORT
    )


def _number(port: str, kind: str, text: str) -> int:
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise BadRequest(f'invalid {kind} request "{text}"')
    return int(port)
