"""What a scheduler plugin is: up to three pure functions and a weight.

Each file of `plugins/` holds one constant `PLUGIN`. `prepare` looks at the Pod once (`survey` at all nodes too) and may
answer None: the plugin then has nothing to say about this Pod and is not asked about any node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from podling.scheduler.snapshot import NodeFacts, PodFacts, Snapshot

HIGHEST = 100
"""The best score."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a node is not possible, in upstream's words. `helpless`: removing Pods from it would not help."""

    reasons: tuple[str, ...]
    helpless: bool = False


Scores = Mapping[str, float]


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
    survey: Callable[[PodFacts, Snapshot], Any | None] | None = None
    """Instead of `prepare`: what it says of one node depends on the Pods of others, so it is never remembered."""


def up_to_highest(scores: Scores, *, reverse: bool = False) -> Scores:
    """Scale so that the largest becomes 100; reversed, the smallest is the best."""
    largest = max(scores.values(), default=0.0)
    if not largest:
        return {name: float(HIGHEST) if reverse else 0.0 for name in scores}
    scaled = {name: float(int(HIGHEST * score / largest)) for name, score in scores.items()}
    return {name: HIGHEST - score for name, score in scaled.items()} if reverse else scaled
