"""What the scheduler knows of nodes and of the Pods on them, kept by one small change per event.

A decision reads it and changes nothing; a Pod that was decided about is *assumed* to be where it was put until the
API says so (or the binding failed), so that the next decision already counts it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping

import msgspec

from podling.api.kinds.core.node import Node
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.meta import LabelSelector
from podling.scheduler import requests
from podling.scheduler.budgets import Budget
from podling.scheduler.census import Censuses, Group, Terrain, membership
from podling.scheduler.devices import Devices
from podling.scheduler.facts import PodFacts, facts_of
from podling.scheduler.images import ImageSpread, images_of
from podling.scheduler.neighbours import Held, Wish
from podling.scheduler.volumes import Volumes

NO_IMAGES: Mapping[str, int] = {}
__all__ = ["NodeFacts", "PodFacts", "Snapshot", "facts_of"]


class NodeFacts:
    """A node with its Pods. Changed by `Snapshot` only."""

    __slots__ = ("allocatable", "images", "labels", "name", "node", "pods", "ports", "requested", "spread", "used")

    def __init__(self, node: Node, spread: ImageSpread) -> None:
        self.spread = spread
        self.pods: dict[str, PodFacts] = {}
        self.requested: Counter[str] = Counter()
        self.used: Counter[str] = Counter()
        self.ports: Counter[tuple[str, str, int]] = Counter()
        self.describe(node)

    def describe(self, node: Node) -> None:
        self.node, self.name, self.labels = node, node.metadata.name, node.metadata.labels
        self.allocatable = requests.amounts(node.status.allocatable)
        self.images = images_of(node) if node.status.images else NO_IMAGES

    def add(self, facts: PodFacts) -> None:
        self.pods[facts.key] = facts
        _add(self.requested, facts.requests, 1)
        _add(self.used, facts.usage, 1)
        if facts.ports:
            self.ports.update(facts.ports)

    def remove(self, facts: PodFacts) -> None:
        del self.pods[facts.key]
        _add(self.requested, facts.requests, -1)
        _add(self.used, facts.usage, -1)
        if facts.ports:
            self.ports.subtract(facts.ports)


class Snapshot:
    """Nodes by name, in order of their arrival.

    `changes` grows with every change of a node, `described` only where more than its Pods or its heartbeat changed.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, NodeFacts] = {}
        self.changes = self.described = 0
        self.budgets: dict[str, Budget] = {}
        """Disruption budgets by key."""
        self.wishes: dict[bytes, Held] = {}
        """What placed Pods wish of their neighbours."""
        self.volumes = Volumes()
        self.devices = Devices()
        self.selector_of: Callable[[Pod], LabelSelector | None] = lambda pod: None
        """Which Pods belong together with this one by its Services and its workload; None: no workload."""
        self.priorities: Counter[int] = Counter()
        """How many placed Pods there are of each priority."""
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._namespace_changes = 0
        self._changed: dict[str, int] = {}
        self._homes: dict[str, str] = {}
        self._waiting: dict[str, dict[str, PodFacts]] = {}
        self._nominated: dict[str, tuple[PodFacts, str]] = {}
        self._censuses = Censuses()
        self._spread = ImageSpread()
        self._users: Counter[str] = Counter()
        self._terrains: dict[Hashable, Terrain] = {}
        self._terrains_at = 0
        self._real: Snapshot | None = None
        self._hidden: tuple[PodFacts, ...] = ()
        self._hidden_on = ""

    @property
    def namespaces(self) -> Mapping[str, Mapping[str, str]]:
        """The labels of namespaces."""
        return self._namespaces

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        """None: it is gone."""
        if labels is None:
            self._namespaces.pop(name, None)
        elif self._namespaces.get(name) != labels:
            self._namespaces[name] = labels
        else:
            return
        self._namespace_changes += 1

    def set_node(self, node: Node) -> None:
        name = node.metadata.name
        known = self.nodes.get(name)
        if known is not None and known.node is node:
            return
        if known is None or _description(known.node) != _description(node):
            self.described += 1
        elif known is not None:
            known.node = node  # a heartbeat
            return
        if known is not None:
            self._spread.change(known.images, -1)
            known.describe(node)
        else:
            known = self.nodes[name] = NodeFacts(node, self._spread)
            for facts in self._waiting.pop(name, {}).values():
                known.add(facts)
        self._spread.change(known.images, 1)
        self._touch(name)

    def remove_node(self, name: str) -> None:
        known = self.nodes.pop(name, None)
        if known is not None:
            self._spread.change(known.images, -1)
            if known.pods:
                self._waiting[name] = known.pods
        self._changed.pop(name, None)
        self.changes += 1
        self.described += 1

    def put(self, facts: PodFacts, node: str) -> None:
        """The Pod is on this node, or assumed to be; replaces what was known of it."""
        self.take(facts.key)
        self.forget_nomination(facts.key)
        self._homes[facts.key] = node
        self._count(facts, node, 1)
        if node in self.nodes:
            self.nodes[node].add(facts)
            self._touch(node)
        else:
            self._waiting.setdefault(node, {})[facts.key] = facts

    def take(self, key: str) -> None:
        """The Pod is gone, has finished or was not bound after all."""
        node = self._homes.pop(key, None)
        if node is None:
            return
        if node in self.nodes:
            facts = self.nodes[node].pods[key]
            self.nodes[node].remove(facts)
            self._touch(node)
        else:
            facts = self._waiting[node].pop(key)
        self._count(facts, node, -1)

    def renew(self, key: str, pod: Pod) -> bool:
        """Take a new state of a placed Pod for the old one, where nothing changed that decisions read; else False."""
        home = self._homes.get(key)
        if home is None or home != pod.spec.node_name or home not in self.nodes:
            return False
        facts = self.nodes[home].pods[key]
        if not _counts_alike(facts.pod, pod):
            return False
        if facts.pod.status.start_time is None:
            self.nodes[home].pods[key] = msgspec.structs.replace(facts, pod=pod)
        return True

    def _count(self, facts: PodFacts, node: str, by: int) -> None:
        self.priorities[facts.priority] += by
        for claim in facts.claims:
            self._users[f"{facts.pod.metadata.namespace}/{claim}"] += by
        self._censuses.changed(facts.pod, node, by)
        for wish in facts.wishes:
            held = self.wishes.get(wish.identity)
            if held is None:
                held = self.wishes[wish.identity] = Held(wish)
            held.change(node, by, self.place(node, wish.term.topology_key))
            if not held.nodes:
                del self.wishes[wish.identity]

    def home(self, key: str) -> str | None:
        return self._homes.get(key)

    def nominate(self, facts: PodFacts, node: str) -> None:
        """Room is being made for the Pod on this node: less important ones shall not take it."""
        self.forget_nomination(facts.key)
        self._nominated[facts.key] = (facts, node)
        self._look_again(node)

    def forget_nomination(self, key: str) -> None:
        """It is placed, gone or tried elsewhere."""
        if key in self._nominated:
            self._look_again(self._nominated.pop(key)[1])

    def _look_again(self, node: str) -> None:
        if node in self.nodes:
            self._touch(node)

    def nomination(self, key: str) -> str | None:
        return self._nominated[key][1] if key in self._nominated else None

    def as_seen_by(self, facts: PodFacts, node: NodeFacts) -> NodeFacts:
        """The node with those that room is being made for, where they are at least as important."""
        if not self._nominated:
            return node
        coming = [
            each
            for key, (each, name) in self._nominated.items()
            if name == node.name and key != facts.key and each.priority >= facts.priority
        ]
        return _with_pods(node, [*node.pods.values(), *coming]) if coming else node

    def without(self, node: str, keys: Collection[str]) -> Snapshot:
        """The same world, thought without some Pods of one node."""
        thought = Snapshot()
        thought.__dict__.update(self.__dict__)
        thought.nodes = dict(self.nodes)
        stay, go = _parted(self.nodes[node].pods.values(), keys)
        thought.nodes[node] = _with_pods(self.nodes[node], stay)
        thought._real, thought._hidden, thought._hidden_on = self, tuple(go), node
        return thought

    def place(self, node: str, topology: str) -> str | None:
        known = self.nodes.get(node)
        return known.labels.get(topology) if known is not None else None

    def terrain(self, identity: Hashable, topology: str, counts: Callable[[NodeFacts], bool]) -> Terrain:
        """The places of a topology on nodes for which `counts` holds; the same `identity` is answered alike."""
        if self._real is not None:
            return self._real.terrain(identity, topology, counts)
        if self._terrains_at != self.described:
            self._terrains, self._terrains_at = {}, self.described
            self._censuses.forget_terrains(())
        found = self._terrains.get((identity, topology))
        if found is None:
            values = {
                name: node.labels[topology]
                for name, node in self.nodes.items()
                if topology in node.labels and counts(node)
            }
            found = self._terrains[identity, topology] = Terrain(values)
        return found

    def standing(self, group: Group, terrain: Terrain) -> Mapping[str, int]:
        """How many of the group stand in each place of the terrain; a place without any is not told."""
        if self._real is None:
            return self._censuses.counts(group, terrain, self._all_placed)
        counts = dict(self._real.standing(group, terrain))
        value, belongs = terrain.value_of.get(self._hidden_on), membership(group)
        if value is not None and (gone := sum(belongs(each.pod) for each in self._hidden)):
            counts[value] -= gone
        return {place: count for place, count in counts.items() if count}

    def wished(self, pod: Pod) -> Iterator[tuple[Wish, Mapping[str, int]]]:
        """What placed Pods wish of this one: each wish with how many have it in each place of its topology."""
        for identity, held in self.wishes.items():
            if not held.concerns(pod, self._namespaces, self._namespace_changes):
                continue
            topology = held.wish.term.topology_key
            counts = held.places(self.described, lambda node, topology=topology: self.place(node, topology))  # type: ignore[misc]
            gone = sum(wish.identity == identity for each in self._hidden for wish in each.wishes)
            value = self.place(self._hidden_on, topology) if gone else None
            if value is not None:
                counts = {place: count - gone * (place == value) for place, count in counts.items()}
            yield held.wish, {place: count for place, count in counts.items() if count} if gone else counts

    def users(self, claim: str) -> int:
        """How many placed Pods use the claim (namespace/name)."""
        namespace, _, name = claim.partition("/")
        gone = sum(name in each.claims and each.pod.metadata.namespace == namespace for each in self._hidden)
        return self._users[claim] - gone

    def _all_placed(self) -> Iterator[tuple[Pod, str]]:
        for node in self.nodes.values():
            for facts in node.pods.values():
                yield facts.pod, node.name
        for name, waiting in self._waiting.items():
            for facts in waiting.values():
                yield facts.pod, name

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


def _add(total: Counter[str], amounts: Mapping[str, int], sign: int) -> None:
    """Counter's own methods cost more than what they do here."""
    for name, amount in amounts.items():
        total[name] += sign * amount


def _with_pods(node: NodeFacts, pods: Iterable[PodFacts]) -> NodeFacts:
    copy = NodeFacts(node.node, node.spread)
    for each in pods:
        copy.add(each)
    return copy


def _counts_alike(known: Pod, new: Pod) -> bool:
    mine, its = known.metadata, new.metadata
    return (
        mine.uid == its.uid
        and mine.labels == its.labels
        and (mine.deletion_timestamp is None) == (its.deletion_timestamp is None)
        and known.spec.containers == new.spec.containers
        and known.spec.init_containers == new.spec.init_containers
        and known.spec.resources == new.spec.resources
    )


def _parted(pods: Iterable[PodFacts], keys: Collection[str]) -> tuple[list[PodFacts], list[PodFacts]]:
    stay, go = list[PodFacts](), list[PodFacts]()
    for each in pods:
        (go if each.key in keys else stay).append(each)
    return stay, go


def _description(node: Node) -> tuple[object, ...]:
    """What decisions read of a node besides its Pods."""
    status = node.status
    return (node.metadata.labels, node.spec, status.allocatable, status.images)
