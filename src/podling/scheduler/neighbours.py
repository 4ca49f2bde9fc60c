"""What Pods wish of their neighbours: the terms of affinity, resolved to groups of Pods. Pure.

Placed Pods wish too. Those of one workload wish the same, so wishes are kept once each, with the places where somebody
has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec

from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.scheduling import PodAffinityTerm
from podling.api.kinds.meta import LabelSelector, LabelSelectorRequirement
from podling.reconcile.selectors import matches
from podling.scheduler.census import Group, count, group_of, membership

HARD_AFFINITY_WEIGHT = 1
"""What a placed Pod's required affinity weighs for a newcomer that it speaks about."""

Namespaces = Mapping[str, Mapping[str, str]]
Kind = Literal["near", "far", "like", "dislike"]


class Wish(msgspec.Struct, frozen=True):
    """`owner` is one of the Pods that have it; all that have the same `identity` wish alike."""

    identity: bytes
    kind: Kind
    weight: int
    term: PodAffinityTerm
    owner: Pod


def wishes_of(pod: Pod) -> tuple[Wish, ...]:
    """In the order in which they are written."""
    if pod.spec.affinity is None:
        return ()
    return tuple(_wish(kind, weight, term, pod) for kind, weight, term in _terms(pod))


def _terms(pod: Pod) -> Iterable[tuple[Kind, int, PodAffinityTerm]]:
    affinity = pod.spec.affinity
    near, far = (affinity.pod_affinity, affinity.pod_anti_affinity) if affinity is not None else (None, None)
    if near is not None:
        yield from (("near", 0, each) for each in near.required_during_scheduling_ignored_during_execution)
        for wish in near.preferred_during_scheduling_ignored_during_execution:
            yield "like", wish.weight, wish.pod_affinity_term
    if far is not None:
        yield from (("far", 0, each) for each in far.required_during_scheduling_ignored_during_execution)
        for wish in far.preferred_during_scheduling_ignored_during_execution:
            yield "dislike", wish.weight, wish.pod_affinity_term


def _wish(kind: Kind, weight: int, term: PodAffinityTerm, pod: Pod) -> Wish:
    meta = pod.metadata
    own = [meta.labels.get(key) for key in (*term.match_label_keys, *term.mismatch_label_keys)]
    identity = msgspec.json.encode((kind, weight, term, meta.namespace, own), order="sorted")
    return Wish(identity, kind, weight, term, pod)


def group_of_wish(wish: Wish, namespaces: Namespaces) -> Group | None:
    """Whom the wish speaks about; None: nobody."""
    term, meta = wish.term, wish.owner.metadata
    if term.label_selector is None:
        return None
    selector = _with_keys(term.label_selector, term, meta.labels)
    named = frozenset(term.namespaces)
    if term.namespace_selector is not None:
        wanted = term.namespace_selector
        if not wanted.match_labels and not wanted.match_expressions:
            return group_of(selector, None)
        named |= {name for name, labels in namespaces.items() if matches(wanted, labels)}
    elif not named:
        named = frozenset((meta.namespace,))
    return group_of(selector, named)


def _with_keys(selector: LabelSelector, term: PodAffinityTerm, labels: Mapping[str, str]) -> LabelSelector:
    """The API server writes matchLabelKeys into the selector; where it did not, they hold all the same."""
    more = tuple(
        LabelSelectorRequirement(key, operator, (labels[key],))
        for operator, keys in (("In", term.match_label_keys), ("NotIn", term.mismatch_label_keys))
        for key in keys
        if key in labels
    )
    expressions = (*selector.match_expressions, *(each for each in more if each not in selector.match_expressions))
    return LabelSelector(selector.match_labels, expressions) if more else selector


class Held:
    """One wish and the nodes where placed Pods have it."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.nodes: dict[str, int] = {}
        self._concerns: Callable[[Pod], bool] = lambda pod: False
        self._version = -1
        self._places: tuple[int, dict[str, int]] = (-1, {})

    def change(self, node: str, by: int, value: str | None) -> None:
        """`value` is the node's place in the wish's topology."""
        count(self.nodes, node, by)
        if value is not None:
            count(self._places[1], value, by)

    def concerns(self, pod: Pod, namespaces: Namespaces, version: int) -> bool:
        """`version` changes with the namespaces."""
        if self._version != version:
            group = group_of_wish(self.wish, namespaces)
            self._concerns = membership(group) if group is not None else lambda pod: False
            self._version = version
        return self._concerns(pod)

    def places(self, described: int, value_of: Callable[[str], str | None]) -> Mapping[str, int]:
        """How many have it in each place; counted again where nodes were described anew."""
        if self._places[0] != described:
            counts: dict[str, int] = {}
            for node, holders in self.nodes.items():
                if (value := value_of(node)) is not None:
                    count(counts, value, holders)
            self._places = (described, counts)
        return self._places[1]
