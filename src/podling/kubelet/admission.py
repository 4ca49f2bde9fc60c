"""Whether this node takes a Pod that was given to it: pure, asked once for each new Pod.

A scheduler decides by what it knew; a Pod may also name its node itself, and two may come at once. So the kubelet
looks again, by its own books, and what does not fit ends as Failed with upstream's reasons and words before anything
of it is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from podling.api.kinds.core import podresources
from podling.api.kinds.core.node import Node
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.podspec import PodSpec
from podling.api.quantity import parse
from podling.kubelet import sysctls
from podling.kubelet.podstate import Failure, is_sidecar
from podling.reconcile.placing import takes

Amounts = Mapping[str, int]
"""CPU in thousandths, everything else in whole units."""
ANY = "0.0.0.0"
REJECTED = "Pod was rejected: "
"""Before the reason in a status; the event says the reason alone."""
OS_LABEL = "kubernetes.io/os"
_COUNTED = ("cpu", "memory", "ephemeral-storage", "hugepages-1Gi", "hugepages-2Mi")
"""What a kubelet keeps books of; what plugins bring (devices) is not asked of it."""


class Claim(msgspec.Struct, frozen=True):
    """What one Pod holds of the node."""

    requests: Amounts = {}
    ports: tuple[tuple[str, str, int], ...] = ()
    """(protocol, address, port)."""


def claim_of(pod: Pod) -> Claim:
    asked = podresources.of_pod(pod.spec, "requests")
    requests = {name: _units(name, amount.milli, amount.value) for name, amount in asked.items() if name in _COUNTED}
    return Claim(requests, _ports(pod.spec))


def allocatable(capacity: Mapping[str, str]) -> dict[str, int]:
    """The node's own amounts in the units of a claim."""
    parsed = {name: parse(text) for name, text in capacity.items() if name in (*_COUNTED, "pods")}
    return {name: _units(name, amount.milli, amount.value) for name, amount in parsed.items()}


def names_places(spec: PodSpec) -> bool:
    """Whether the Pod says anything about its node's labels, so that the Node has to be read."""
    return bool(spec.node_selector) or (spec.affinity is not None and spec.affinity.node_affinity is not None)


def refusal(
    pod: Pod, others: Iterable[Claim], has: Amounts, node: Node | None, *, simulated: bool = False
) -> Failure | None:
    """Why the Pod cannot run here, or None. `others` are the claims of the Pods that do, `has` the node's amounts,
    `node` is only needed for a Pod that `names_places`."""
    if text := sysctls.forbidden(pod.spec):
        return _refused("SysctlForbidden", text)
    if (wrong := _wrong_system(pod.spec)) is not None:
        return wrong
    if _wants_apparmor(pod.spec) and not simulated:
        return _refused("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")
    own, there = claim_of(pod), tuple(others)
    if (short := _short(own.requests, there, has)) is not None:
        return short
    if node is not None and not takes(pod.spec, node):
        return _predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")
    if any(_clash(mine, other) for mine in own.ports for claim in there for other in claim.ports):
        return _predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports")
    return None


def _short(asked: Amounts, others: tuple[Claim, ...], has: Amounts) -> Failure | None:
    if len(others) + 1 > has.get("pods", 0):
        return _out_of("pods", 1, len(others), has.get("pods", 0))
    for name in _COUNTED:
        if not asked.get(name):
            continue
        used = sum(claim.requests.get(name, 0) for claim in others)
        if asked[name] > has.get(name, 0) - used:
            return _out_of(name, asked[name], used, has.get(name, 0))
    return None


def _wants_apparmor(spec: PodSpec) -> bool:
    """No runtime here loads a profile, so a Pod that asks for one must not run without."""
    own = [each.security_context for each in spec.containers + spec.init_containers]
    profiles = [context.app_armor_profile for context in (spec.security_context, *own) if context is not None]
    return any(profile is not None and profile.type != "Unconfined" for profile in profiles)


def _wrong_system(spec: PodSpec) -> Failure | None:
    if spec.node_selector.get(OS_LABEL, "linux") != "linux":
        text = f"Failed to admit pod as the `{OS_LABEL}` label doesn't match node label"
        return _refused("PodOSSelectorNodeLabelDoesNotMatch", text)
    if spec.os is not None and spec.os.name != "linux":
        return _refused("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    return None


def _out_of(name: str, requested: int, used: int, capacity: int) -> Failure:
    amounts = f"requested: {requested}, used: {used}, capacity: {capacity}"
    return _refused(f"OutOf{name}", f"Node didn't have enough resource: {name}, {amounts}")


def _predicate(name: str, why: str) -> Failure:
    return _refused(name, f"Predicate {name} failed: {why}")


def _refused(reason: str, message: str) -> Failure:
    return Failure(reason, REJECTED + message, refused=True)


def _units(name: str, milli: int, whole: int) -> int:
    return milli if name == "cpu" else whole


def _ports(spec: PodSpec) -> tuple[tuple[str, str, int], ...]:
    containers = (*spec.containers, *(each for each in spec.init_containers if is_sidecar(each)))
    return tuple(
        (port.protocol or "TCP", port.host_ip or ANY, port.host_port)
        for container in containers
        for port in container.ports
        if port.host_port
    )


def _clash(mine: tuple[str, str, int], other: tuple[str, str, int]) -> bool:
    same_address = mine[1] == other[1] or ANY in (mine[1], other[1])
    return mine[0] == other[0] and mine[2] == other[2] and same_address
