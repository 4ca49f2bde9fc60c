"""What the scheduler knows of nodes and of the Pods on them, kept by one small change per event.

A decision reads it and changes nothing; a Pod that was decided about is *assumed* to be where it was put until the
API says so (or the binding failed), so that the next decision already counts it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from podling.api.kinds.core.node import Node
from podling.api.kinds.core.pod import Pod
from podling.scheduler import requests

if TYPE_CHECKING:
    from podling.scheduler.budgets import Budget


class PodFacts(msgspec.Struct, frozen=True, gc=False):
    """A Pod as decisions see it. Pods of equal `signature` are decided alike."""

    key: str
    uid: str
    pod: Pod
    requests: Mapping[str, int]
    usage: Mapping[str, int]
    """The requests, with defaults for containers that ask for nothing; for scores."""
    ports: tuple[tuple[str, str, int], ...]
    signature: bytes

    @property
    def priority(self) -> int:
        return self.pod.spec.priority or 0


class NodeFacts:
    """A node with its Pods. Changed by `Snapshot` only."""

    __slots__ = ("allocatable", "name", "node", "pods", "ports", "requested", "used")

    def __init__(self, node: Node) -> None:
        self.pods: dict[str, PodFacts] = {}
        self.requested: Counter[str] = Counter()
        self.used: Counter[str] = Counter()
        self.ports: Counter[tuple[str, str, int]] = Counter()
        self.describe(node)

    def describe(self, node: Node) -> None:
        self.node, self.name = node, node.metadata.name
        self.allocatable = requests.amounts(node.status.allocatable)

    def add(self, facts: PodFacts) -> None:
        self.pods[facts.key] = facts
        self.requested.update(facts.requests)
        self.used.update(facts.usage)
        self.ports.update(facts.ports)

    def remove(self, facts: PodFacts) -> None:
        del self.pods[facts.key]
        self.requested.subtract(facts.requests)
        self.used.subtract(facts.usage)
        self.ports.subtract(facts.ports)


class Snapshot:
    """Nodes by name, in order of their arrival.

    `changes` grows with every change of a node, `described` only where more than its Pods or its heartbeat changed.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, NodeFacts] = {}
        self.changes = self.described = 0
        self.namespaces: dict[str, Mapping[str, str]] = {}
        """The labels of namespaces."""
        self.budgets: dict[str, Budget] = {}
        """Disruption budgets by key."""
        self.minding: dict[str, PodFacts] = {}
        """Placed Pods that say which others they want near or far."""
        self._changed: dict[str, int] = {}
        self._homes: dict[str, str] = {}
        self._waiting: dict[str, dict[str, PodFacts]] = {}
        self._nominated: dict[str, tuple[PodFacts, str]] = {}

    def set_node(self, node: Node) -> None:
        name = node.metadata.name
        known = self.nodes.get(name)
        if known is None or _description(known.node) != _description(node):
            self.described += 1
        if known is not None:
            known.describe(node)
        else:
            known = self.nodes[name] = NodeFacts(node)
            for facts in self._waiting.pop(name, {}).values():
                known.add(facts)
        self._touch(name)

    def remove_node(self, name: str) -> None:
        known = self.nodes.pop(name, None)
        if known is not None and known.pods:
            self._waiting[name] = known.pods
        self._changed.pop(name, None)
        self.changes += 1
        self.described += 1

    def put(self, facts: PodFacts, node: str) -> None:
        """The Pod is on this node, or assumed to be; replaces what was known of it."""
        self.take(facts.key)
        self.nominate(facts, None)
        self._homes[facts.key] = node
        if minds_others(facts.pod):
            self.minding[facts.key] = facts
        if node in self.nodes:
            self.nodes[node].add(facts)
            self._touch(node)
        else:
            self._waiting.setdefault(node, {})[facts.key] = facts

    def take(self, key: str) -> None:
        """The Pod is gone, has finished or was not bound after all."""
        node = self._homes.pop(key, None)
        self.minding.pop(key, None)
        if node is None:
            return
        if node in self.nodes:
            self.nodes[node].remove(self.nodes[node].pods[key])
            self._touch(node)
        else:
            self._waiting.get(node, {}).pop(key, None)

    def home(self, key: str) -> str | None:
        return self._homes.get(key)

    def nominate(self, facts: PodFacts, node: str | None) -> None:
        """Room is being made for the Pod on this node (None: no more): less important ones shall not take it."""
        for name in (node, self._nominated.pop(facts.key, (facts, None))[1]):
            if name in self.nodes:
                self._touch(name)
        if node is not None:
            self._nominated[facts.key] = (facts, node)

    def nomination(self, key: str) -> str | None:
        return self._nominated[key][1] if key in self._nominated else None

    def as_seen_by(self, facts: PodFacts, node: NodeFacts) -> NodeFacts:
        """The node with those that room is being made for, where they are at least as important."""
        coming = [
            each
            for key, (each, name) in self._nominated.items()
            if name == node.name and key != facts.key and each.priority >= facts.priority
        ]
        return _with_pods(node, [*node.pods.values(), *coming]) if coming else node

    def without(self, node: str, keys: Collection[str]) -> Snapshot:
        """The same world, thought without some Pods of one node."""
        thought = Snapshot()
        thought.nodes = dict(self.nodes)
        thought.nodes[node] = _with_pods(
            self.nodes[node], (each for key, each in self.nodes[node].pods.items() if key not in keys)
        )
        thought.namespaces, thought._homes, thought._nominated = self.namespaces, self._homes, self._nominated
        thought.minding = {key: each for key, each in self.minding.items() if key not in keys}
        return thought

    def changed_since(self, change: int) -> list[str]:
        """Names of nodes that changed after `change`, the latest first."""
        out = []
        for name in reversed(self._changed):
            if self._changed[name] <= change:
                break
            out.append(name)
        return out

    def _touch(self, node: str) -> None:
        self.changes += 1
        self._changed.pop(node, None)
        self._changed[node] = self.changes


def _with_pods(node: NodeFacts, pods: Iterable[PodFacts]) -> NodeFacts:
    copy = NodeFacts(node.node)
    for each in pods:
        copy.add(each)
    return copy


def minds_others(pod: Pod) -> bool:
    """It has (anti-)affinity to Pods."""
    affinity = pod.spec.affinity
    return affinity is not None and (affinity.pod_affinity is not None or affinity.pod_anti_affinity is not None)


def _description(node: Node) -> tuple[object, ...]:
    """What decisions read of a node besides its Pods."""
    return (node.metadata.labels, node.spec, node.status.allocatable)


def facts_of(key: str, pod: Pod) -> PodFacts:
    spec = pod.spec
    asked, ports = requests.of_pod(spec), requests.host_ports(spec)
    signature = msgspec.json.encode(
        (
            pod.metadata.namespace,
            pod.metadata.labels,
            sorted(asked.items()),
            ports,
            spec.node_name,
            spec.node_selector,
            spec.affinity,
            spec.tolerations,
            spec.priority,
            spec.preemption_policy,
            spec.topology_spread_constraints,
            [container.image for container in spec.containers],
        ),
        order="sorted",
    )
    usage = requests.of_pod(spec, with_defaults=True)
    return PodFacts(key, pod.metadata.uid, pod, asked, usage, ports, signature)
