"""How many Pods of a group stand in each place, kept by one small change per Pod. Pure.

A group is what a label selector and a set of namespaces select; a place is the value of a topology's label. Who asks
for the same group shares one census, so a decision about spreading or affinity counts nothing itself.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping

import msgspec

from podling.api.kinds.core.pod import Pod
from podling.api.kinds.meta import LabelSelector, LabelSelectorRequirement
from podling.reconcile.selectors import matches

REMEMBERED = 1024
"""Groups that are kept; Pods that ask for more have some of them counted again."""


class Group(msgspec.Struct, frozen=True):
    """Pods of these namespaces (None: of all) that carry the labels; `alive`: those being deleted do not count."""

    namespaces: frozenset[str] | None
    labels: tuple[tuple[str, str], ...]
    expressions: tuple[LabelSelectorRequirement, ...] = ()
    alive: bool = False


def group_of(selector: LabelSelector, namespaces: frozenset[str] | None, *, alive: bool = False) -> Group:
    return Group(namespaces, tuple(sorted(selector.match_labels.items())), selector.match_expressions, alive)


def membership(group: Group) -> Callable[[Pod], bool]:
    """The test whether a Pod belongs to the group."""
    selector = LabelSelector(match_labels=dict(group.labels), match_expressions=group.expressions)

    def belongs(pod: Pod) -> bool:
        meta = pod.metadata
        if group.namespaces is not None and meta.namespace not in group.namespaces:
            return False
        return not (group.alive and meta.deletion_timestamp is not None) and matches(selector, meta.labels)

    return belongs


class Terrain:
    """The places of one topology: the nodes that count for somebody, by the value of its label."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.value_of = values
        self.domains = Counter(values.values())


class _Census:
    """One group: how many per node, and per place of every terrain that was asked for."""

    def __init__(self, group: Group) -> None:
        self.belongs = membership(group)
        self.nodes: Counter[str] = Counter()
        self.places: dict[int, tuple[Terrain, dict[str, int]]] = {}

    def change(self, node: str, by: int) -> None:
        count(self.nodes, node, by)
        for terrain, counts in self.places.values():
            if (value := terrain.value_of.get(node)) is not None:
                count(counts, value, by)

    def on(self, terrain: Terrain) -> dict[str, int]:
        found = self.places.get(id(terrain))
        if found is None:
            counts: dict[str, int] = {}
            for node, standing in self.nodes.items():
                if (value := terrain.value_of.get(node)) is not None:
                    count(counts, value, standing)
            found = self.places[id(terrain)] = (terrain, counts)
        return found[1]


class Censuses:
    """All groups anybody asked for. Places where none stands are not in the counts."""

    def __init__(self) -> None:
        self._all: OrderedDict[Group, _Census] = OrderedDict()
        self._by_label: dict[tuple[str, str], dict[Group, _Census]] = {}
        self._others: dict[Group, _Census] = {}

    def changed(self, pod: Pod, node: str, by: int) -> None:
        """A Pod came to the node (1) or left it (-1)."""
        if not self._all:
            return
        for census in self._concerned(pod):
            if census.belongs(pod):
                census.change(node, by)

    def counts(
        self, group: Group, terrain: Terrain, standing: Callable[[], Iterable[tuple[Pod, str]]]
    ) -> Mapping[str, int]:
        """Of the group in each place; `standing` tells all Pods with their nodes, once for a group never asked for."""
        census = self._all.get(group)
        if census is None:
            census = self._all[group] = _Census(group)
            for pod, node in standing():
                if census.belongs(pod):
                    census.nodes[node] += 1
            self._index(group)[group] = census
            if len(self._all) > REMEMBERED:
                oldest, _ = self._all.popitem(last=False)
                self._index(oldest).pop(oldest, None)
        else:
            self._all.move_to_end(group)
        return census.on(terrain)

    def forget_terrains(self, known: Collection[int]) -> None:
        """Drop the counts of terrains that are no more; `known` are the ids of those that are."""
        for census in self._all.values():
            for gone in [each for each in census.places if each not in known]:
                del census.places[gone]

    def _concerned(self, pod: Pod) -> Iterable[_Census]:
        for label in pod.metadata.labels.items():
            if (found := self._by_label.get(label)) is not None:
                yield from found.values()
        yield from self._others.values()

    def _index(self, group: Group) -> dict[Group, _Census]:
        """A group that wants labels is found by the first of them."""
        return self._by_label.setdefault(group.labels[0], {}) if group.labels else self._others


def count(counts: dict[str, int], key: str, by: int) -> None:
    """Nothing is kept where nobody is left."""
    now = counts.get(key, 0) + by
    if now:
        counts[key] = now
    else:
        counts.pop(key, None)
