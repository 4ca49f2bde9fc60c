"""What a Pod asks of a node: resources as integers, host ports.

The effective request is the larger of all containers together and of the largest init container (a restartable one,
a sidecar, counts with the containers and with every init container after it), plus the overhead; a request of the Pod
as a whole replaces that of its containers (the documentation's "Resource sharing within containers").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache, partial

import msgspec

from podling.api import quantity
from podling.api.kinds.core.container import Container, ResourceRequirements
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.podspec import PodSpec
from podling.reconcile.resizing import PENDING

_RESIZING = (PENDING, "PodResizeInProgress")

Amounts = Mapping[str, int]
"""By resource name; CPU in thousandths, everything else in whole units."""

DEFAULT_CPU, DEFAULT_MEMORY = 100, 200 * 1024 * 1024
"""What a container that asks for nothing is taken to use, for scores only."""


def amounts(given: Mapping[str, str]) -> dict[str, int]:
    return {name: amount(name, text) for name, text in given.items()}


@lru_cache(maxsize=4096)
def amount(name: str, text: str) -> int:
    """Clusters say few different amounts, and each of them often."""
    parsed = quantity.parse(text)
    return parsed.milli if name == "cpu" else parsed.value


def of_pod(spec: PodSpec, *, with_defaults: bool = False) -> dict[str, int]:
    total: dict[str, int] = {}
    for container in spec.containers:
        _add(total, _of(container, with_defaults))
    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in spec.init_containers:
        asked = _of(container, with_defaults)
        if _is_sidecar(container):
            _add(total, asked)
            _add(sidecars, asked)
            _raise_to(peak, sidecars)
        else:
            _add(asked, sidecars)
            _raise_to(peak, asked)
    _raise_to(total, peak)
    if spec.resources is not None:
        total |= amounts(spec.resources.requests)
    _add(total, amounts(spec.overhead))
    return total


def standing(pod: Pod) -> PodSpec:
    """The spec with what counts as asked for. While other amounts are wished for a running Pod and not yet given, a
    container counts for the largest of what it wishes, was allotted and has; a wish that can never be had is none."""
    told = {each.type: each.reason for each in pod.status.conditions if each.type in _RESIZING}
    if not told:
        return pod.spec
    statuses = {each.name: each for each in (*pod.status.container_statuses, *pod.status.init_container_statuses)}
    hopeless = told.get(PENDING) == "Infeasible"

    def counted(container: Container) -> Container:
        status = statuses.get(container.name)
        if status is None:
            return container
        has = status.resources.requests if status.resources is not None else {}
        amounts = [status.allocated_resources, has, *([] if hopeless else [container.resources.requests])]
        most = {name: _most(name, amounts) for given in amounts for name in given}
        return msgspec.structs.replace(container, resources=ResourceRequirements(requests=most))

    spec = pod.spec
    return msgspec.structs.replace(
        spec,
        containers=tuple(map(counted, spec.containers)),
        init_containers=tuple(counted(each) if _is_sidecar(each) else each for each in spec.init_containers),
    )


def _most(name: str, given: Iterable[Mapping[str, str]]) -> str:
    """The largest of several amounts of one resource, as it was written."""
    texts = [each[name] for each in given if name in each]
    return max(texts, key=partial(amount, name))


def host_ports(spec: PodSpec) -> tuple[tuple[str, str, int], ...]:
    """(protocol, address, port) of every port that is taken on the node."""
    containers: Iterable[Container] = (*spec.containers, *(each for each in spec.init_containers if _is_sidecar(each)))
    return tuple(
        (port.protocol or "TCP", port.host_ip or "0.0.0.0", port.host_port)
        for container in containers
        for port in container.ports
        if port.host_port
    )


def _of(container: Container, with_defaults: bool) -> dict[str, int]:
    asked = amounts(container.resources.requests) if container.resources is not None else {}
    if with_defaults:
        asked.setdefault("cpu", DEFAULT_CPU)
        asked.setdefault("memory", DEFAULT_MEMORY)
    return asked


def _is_sidecar(container: Container) -> bool:
    return container.restart_policy == "Always"


def _add(total: dict[str, int], more: Amounts) -> None:
    for name, count in more.items():
        total[name] = total.get(name, 0) + count


def _raise_to(total: dict[str, int], least: Amounts) -> None:
    for name, count in least.items():
        total[name] = max(total.get(name, 0), count)
