"""Which Pods stand behind a Service, and on which ports.

Shared by the two controllers that publish it, Endpoints and EndpointSlices (the documentation's "EndpointSlices":
conditions ready, serving, terminating).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.service import Service, ServicePort
from podling.api.objects import Object, key_of
from podling.client.resources import PODS, SERVICES
from podling.reconcile import pods
from podling.reconcile.view import View

HEADLESS = "service.kubernetes.io/headless"


class Port(msgspec.Struct, frozen=True, order=True):
    """`app_protocol` is "" where the Service says none."""

    name: str
    protocol: str
    port: int
    app_protocol: str = ""

    def to_json(self) -> dict[str, Any]:
        """As in an EndpointSlice: the name is always there."""
        out = {"name": self.name, "protocol": self.protocol, "port": self.port}
        return out | {"appProtocol": self.app_protocol} if self.app_protocol else out


class Backend(msgspec.Struct, frozen=True):
    pod: Object
    address: str
    ports: tuple[Port, ...]
    """Sorted."""
    ready: bool
    serving: bool
    terminating: bool

    @property
    def hostname(self) -> str:
        return str(self.pod.view.spec.hostname)


def publishes(service: Service) -> bool:
    """Its backends are found by selector; without one, whoever made the Service cares for its endpoints."""
    return bool(service.spec.selector) and service.spec.type != "ExternalName"


def is_headless(service: Service) -> bool:
    return service.spec.cluster_ip == "None"


def backends(found: Object, view: View) -> list[Backend]:
    """All that have an address and have not ended, sorted by name."""
    service: Service = found.view
    selected = view.of(PODS).selected(found.head.namespace, service.spec.selector)
    made = [_backend(service, pod) for pod in selected if _counts(pod.view)]
    return sorted(made, key=lambda each: each.pod.head.name)


def concerned(pod: Object, view: View) -> Iterable[str]:
    """The keys of the Services that select a Pod."""
    labels = pod.head.labels.items()
    for service in view.of(SERVICES).list(pod.head.namespace):
        selector = service.view.spec.selector
        if selector and selector.items() <= labels:
            yield service.key


def service_key(namespace: str, name: str) -> str:
    return key_of(SERVICES.group, SERVICES.plural, namespace, name)


def target(pod: Object) -> dict[str, Any]:
    return {"kind": "Pod", "namespace": pod.head.namespace, "name": pod.head.name, "uid": pod.head.uid}


def _counts(pod: Pod) -> bool:
    return bool(pod.status.pod_ip) and not pods.is_finished(pod)


def _backend(service: Service, found: Object) -> Backend:
    pod: Pod = found.view
    serving, terminating = pods.is_ready(pod), found.head.deleting
    ports = (_port(service_port, pod) for service_port in service.spec.ports)
    return Backend(
        pod=found,
        address=pod.status.pod_ip,
        ports=tuple(sorted(port for port in ports if port is not None)),
        ready=service.spec.publish_not_ready_addresses or (serving and not terminating),
        serving=serving,
        terminating=terminating,
    )


def _port(wanted: ServicePort, pod: Pod) -> Port | None:
    """A named target port is looked up in the Pod; None where the Pod has no such port."""
    protocol = wanted.protocol or "TCP"
    number = wanted.target_port or wanted.port
    if isinstance(number, str):
        sidecars = (each for each in pod.spec.init_containers if each.restart_policy == "Always")
        declared = (port for container in (*pod.spec.containers, *sidecars) for port in container.ports)
        named = (port for port in declared if port.name == number and (port.protocol or "TCP") == protocol)
        port = next(named, None)
        if port is None:
            return None
        number = port.container_port
    return Port(wanted.name, protocol, number, wanted.app_protocol or "")
