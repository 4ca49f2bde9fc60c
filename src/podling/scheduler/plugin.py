"""What a scheduler plugin is: up to three pure functions, a weight, and what may change its mind.

Each file of `plugins/` holds one constant `PLUGIN`. `prepare` looks at the Pod once and may answer None: the plugin
then has nothing to say about this Pod and is not asked about any node. What depends on the Pods of other nodes is not
asked node by node but told as demands and likings of places (`survey`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from podling.scheduler.snapshot import NodeFacts, PodFacts, Snapshot

HIGHEST = 100
"""The best score."""


class Cause:
    """What happens in a cluster that may make room for a Pod which found none; bits of an int, for they are combined
    once for each node that refuses."""

    NODE = 1
    """A node came, or was described anew."""
    POD_CAME = 2
    """A Pod was placed, or its labels changed."""
    POD_LEFT = 4
    VOLUME = 8
    """A claim, a volume, a storage class or what a node can attach."""
    NAMESPACE = 16
    DEVICE = 32
    """A claim for devices, a class of them, or what there are."""
    ANYTHING = 63


class Refusal(msgspec.Struct, frozen=True):
    """Why a node is not possible, in upstream's words. `helpless`: removing Pods from it would not help."""

    reasons: tuple[str, ...]
    helpless: bool = False


class Hopeless(msgspec.Struct, frozen=True):
    """Instead of what `prepare` says: no node is possible, for this reason. `silent`: the Pod is not ripe for a
    decision, and nobody is told that there was none."""

    reason: str
    silent: bool = False


class Demand(msgspec.Struct, frozen=True):
    """Where the Pod may be: nodes with the label `key`, whose value is one of `allowed` (None: any) and none of
    `forbidden`. `missing` is said of nodes without the label (None: they may be taken)."""

    key: str
    refusal: Refusal
    missing: Refusal | None = None
    allowed: Collection[str] | None = None
    forbidden: Collection[str] = ()

    def refuse(self, labels: Mapping[str, str]) -> Refusal | None:
        value = labels.get(self.key)
        if value is None:
            return self.missing
        if (self.allowed is not None and value not in self.allowed) or value in self.forbidden:
            return self.refusal
        return None


class Liking(msgspec.Struct, frozen=True):
    """Points for the value of the label `key`, times the weight; `everywhere` for each node that has the label."""

    key: str
    points: Mapping[str, float]
    weight: float = 1.0
    everywhere: float = 0.0


class Survey(msgspec.Struct, frozen=True):
    """What is known of places; `strict`: a node without all the labels gets no points at all."""

    demands: tuple[Demand, ...] = ()
    likings: tuple[Liking, ...] = ()
    strict: bool = False


Scores = Mapping[str, float]
Rescale = Callable[[Sequence[float]], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Plugin:
    """`prepared` is what `prepare` returned (the Pod itself where there is no `prepare`)."""

    name: str
    prepare: Callable[[PodFacts], Any | None] = lambda facts: facts
    refuse: Callable[[Any, NodeFacts], Refusal | None] | None = None
    score: Callable[[Any, NodeFacts], float] | None = None
    normalize: Callable[[Scores], Scores] | None = None
    """Raw scores of all possible nodes to 0 … 100, where the raw ones are not. A plugin that has it may look at a
    node's own description only, not at the Pods on it: its scores are kept while no node is described anew."""
    weight: int = 1
    survey: Callable[[PodFacts, Snapshot], Survey | None] | None = None
    """What the Pods of all nodes mean for this one."""
    rescale: Rescale | None = None
    """Sums of likings to 0 … 100, for a plugin with a survey."""
    personal: Callable[[PodFacts, Snapshot], Any | None] | None = None
    """Instead of `prepare` where what it says depends on more than the Pod's signature; such a Pod is decided about
    by itself."""
    heeds: int = Cause.NODE | Cause.POD_LEFT
    """What may change a refusal of this plugin."""


def up_to_highest(scores: Scores, *, reverse: bool = False) -> Scores:
    """Scale so that the largest becomes 100; reversed, the smallest is the best."""
    largest = max(scores.values(), default=0.0)
    if not largest:
        return {name: float(HIGHEST) if reverse else 0.0 for name in scores}
    scaled = {name: float(int(HIGHEST * score / largest)) for name, score in scores.items()}
    return {name: HIGHEST - score for name, score in scaled.items()} if reverse else scaled
