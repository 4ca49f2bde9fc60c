"""What a probe handler is: the shape every file of this folder fills."""

from __future__ import annotations

import os
from typing import Any, Literal, Protocol

import msgspec

from podling.kubelet.podstate import AnyContainer
from podling.runtime.interface import Runtime


class Outcome(msgspec.Struct, frozen=True):
    """`unknown`: the probe itself failed and says nothing of the container."""

    result: Literal["success", "failure", "unknown"]
    output: str = ""


SUCCESS = Outcome("success")


class Target(msgspec.Struct, frozen=True):
    """What is probed."""

    container: AnyContainer
    id: str
    """Of the running container."""
    pod_ip: str
    runtime: Runtime


class ProbeType(Protocol):
    """One way to ask a container how it is."""

    @property
    def source(self) -> str:
        """The field of the Probe (and lifecycle handler) view that chooses it: `http_get`, `exec` …"""

    async def ask(self, action: Any, target: Target, timeout: float) -> Outcome:
        """`action` is the chosen field's value; never raises but for cancellation."""


def port_of(port: int | str, container: AnyContainer) -> int:
    """A number, or the container's port of that name. Raises ValueError."""
    if isinstance(port, int):
        return port
    for declared in container.ports:
        if declared.name == port:
            return declared.container_port
    if port.isdigit():
        return int(port)
    raise ValueError(f"couldn't find port: {port} in the container's ports")


def dial_error(address: str, port: int, error: OSError) -> str:
    """A failed connection in Go's words, which users know from events."""
    words = (os.strerror(error.errno) if error.errno else str(error)).lower()
    return f"dial tcp {address}:{port}: connect: {words}"
