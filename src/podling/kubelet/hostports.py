"""What a Pod publishes of itself on its node: which ports, and who is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from podling.api.kinds.core.pod import Pod
from podling.kubelet.podstate import is_sidecar
from podling.runtime.interface import Sandbox

Port = tuple[str, str, int, int]
"""Protocol, address (may be empty), the node's port, the container's port."""


class HostPorts(Protocol):
    """Makes them reachable: the node's proxy."""

    def open_host_ports(self, pod: str, ip: str, ports: Iterable[Port]) -> None:
        """In place of what the Pod of this uid published before."""

    def close_host_ports(self, pod: str) -> None: ...


class NoHostPorts:
    """For nodes on which nothing can be reached."""

    def open_host_ports(self, pod: str, ip: str, ports: Iterable[Port]) -> None:
        """Nobody is told."""

    def close_host_ports(self, pod: str) -> None:
        """Nobody was told."""


def ports_of(pod: Pod) -> tuple[Port, ...]:
    containers = (*pod.spec.containers, *(each for each in pod.spec.init_containers if is_sidecar(each)))
    return tuple(
        (port.protocol or "TCP", port.host_ip, port.host_port, port.container_port)
        for container in containers
        for port in container.ports
        if port.host_port
    )


def publish(pod: Pod, sandbox: Sandbox, on: HostPorts) -> None:
    """Make the Pod's host ports lead to its sandbox."""
    if ports := ports_of(pod):
        on.open_host_ports(pod.metadata.uid, sandbox.ip, ports)
