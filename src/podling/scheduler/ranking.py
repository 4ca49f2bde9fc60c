"""The possible nodes for all Pods of one signature, with their scores, kept between decisions. Pure.

Pods that ask for the same are decided alike as far as neighbours do not matter, so only the nodes that changed since
are looked at again (KEP-5598, opportunistic batching). On large clusters a ranking looks at a sample, which moves on
every time it is made anew, as upstream's does from Pod to Pod.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from podling.scheduler.plugin import Plugin, Refusal
from podling.scheduler.snapshot import NodeFacts, PodFacts, Snapshot

FEW_NODES = 100
"""Clusters up to this size are looked at completely."""
REMEMBERED = 256
REFUSED = -1.0
"""The score of a node that is not possible."""

Prepared = Sequence[tuple[Plugin, Any]]
"""Plugins that have something to say, each with what it prepared."""


class Said(msgspec.Struct, frozen=True):
    """The sentence about refused nodes up to what is said of preemption, and that for where it does not help."""

    why: str
    no_preemption: str


class Ranking:
    """What is known as of `change`: names of nodes in the order of the visit, and the score of each.

    `fixed` is the part of a score that depends on nodes only and not on the Pods they run; it holds as long as no node
    is described anew (`described`).
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.change, self.described = snapshot.changes, snapshot.described
        self.names: list[str] = []
        self.scores: list[float] = []
        self.index: dict[str, int] = {}
        self.fixed: dict[str, float] = {}
        self.refusals: dict[str, Refusal] = {}
        self.heeds = 0
        """What may change the refusals."""
        self.complete = False
        """All nodes were visited."""
        self.left = 0
        """How many more decisions it is good for."""
        self.told: dict[int, Said] = {}
        """What was said of the refusals, by `change`."""
        self._columns: dict[str, list[str | None]] = {}
        self._gaps: dict[str, bool] = {}

    @property
    def possible(self) -> int:
        return len(self.names) - len(self.refusals)

    def best(self, chance: float) -> str | None:
        """`chance` in [0, 1) chooses among equals; None where no node is possible."""
        winner = chosen(self.scores, chance)
        return None if winner is None else self.names[winner]

    def column(self, label: str, snapshot: Snapshot) -> list[str | None]:
        """The label's value of each node."""
        found = self._columns.get(label)
        if found is None:
            found = self._columns[label] = [snapshot.nodes[name].labels.get(label) for name in self.names]
        return found

    def lacks(self, label: str, snapshot: Snapshot) -> bool:
        """Some node is without the label."""
        if label not in self._gaps:
            self._gaps[label] = None in self.column(label, snapshot)
        return self._gaps[label]


def chosen(scores: Sequence[float], chance: float) -> int | None:
    """The place of one of the best; None where all are refused."""
    highest = max(scores, default=REFUSED)
    if highest <= REFUSED:
        return None
    count = scores.count(highest)
    if count == 1:
        return scores.index(highest)
    winners = [place for place, score in enumerate(scores) if score == highest]
    return winners[int(chance * count)]


class Rankings:
    """Remembers; the same snapshot has to be handed in every time."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Ranking] = OrderedDict()
        self._start = 0

    def of(self, facts: PodFacts, prepared: Prepared, snapshot: Snapshot, *, personal: bool) -> Ranking:
        """Of the Pod's signature; a `personal` one is made for this Pod only."""
        if personal:
            return self._rank(facts, prepared, snapshot, _enough(len(snapshot.nodes)))
        known = self._known.get(facts.signature)
        if known is not None and known.left > 0 and known.described == snapshot.described:
            known.left -= 1
            if _refresh(known, facts, prepared, snapshot):
                return known
        return self._remember(facts, self._rank(facts, prepared, snapshot, _enough(len(snapshot.nodes))))

    def completed(self, facts: PodFacts, prepared: Prepared, snapshot: Snapshot, *, personal: bool) -> Ranking:
        """Of all nodes, where a sample was not enough."""
        made = self._rank(facts, prepared, snapshot, len(snapshot.nodes))
        return made if personal else self._remember(facts, made)

    def _remember(self, facts: PodFacts, ranking: Ranking) -> Ranking:
        self._known[facts.signature] = ranking
        self._known.move_to_end(facts.signature)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return ranking

    def _rank(self, facts: PodFacts, prepared: Prepared, snapshot: Snapshot, enough: int) -> Ranking:
        names = list(snapshot.nodes)
        ranking, possible = Ranking(snapshot), list[NodeFacts]()
        for offset in range(len(names)):
            if len(possible) >= enough:
                break
            node = snapshot.nodes[names[(self._start + offset) % len(names)]]
            ranking.names.append(node.name)
            if _visit(ranking, facts, prepared, snapshot, node):
                possible.append(node)
        visited = len(ranking.names)
        ranking.index = {name: place for place, name in enumerate(ranking.names)}
        ranking.scores = [REFUSED] * visited
        self._start = (self._start + visited) % len(names)
        ranking.complete = visited == len(names)
        ranking.left = max(FEW_NODES, len(possible))
        ranking.fixed = _fixed_scores(prepared, possible)
        own = _own(prepared)
        for node in possible:
            ranking.scores[ranking.index[node.name]] = _score(ranking, own, node)
        return ranking


def _refresh(known: Ranking, facts: PodFacts, prepared: Prepared, snapshot: Snapshot) -> bool:
    """Look again at what changed since; False where the ranking is of no more use."""
    own = _own(prepared)
    for name in snapshot.changed_since(known.change):
        place = known.index.get(name)
        if place is None:
            continue
        node = snapshot.nodes[name]
        known.refusals.pop(name, None)
        if not _visit(known, facts, prepared, snapshot, node):
            known.scores[place] = REFUSED
        elif name in known.fixed:
            known.scores[place] = _score(known, own, node)
        else:
            return False
    known.change = snapshot.changes
    return known.complete or known.possible > 0


def _visit(ranking: Ranking, facts: PodFacts, prepared: Prepared, snapshot: Snapshot, node: NodeFacts) -> bool:
    """Whether the node is possible; else the ranking says why not."""
    plugin, refusal = refused(prepared, snapshot.as_seen_by(facts, node))
    if refusal is None or plugin is None:
        return True
    ranking.refusals[node.name] = refusal
    ranking.heeds |= plugin.heeds
    return False


def refused(prepared: Prepared, node: NodeFacts) -> tuple[Plugin | None, Refusal | None]:
    """The first plugin that refuses the node, and why."""
    for plugin, state in prepared:
        if plugin.refuse is not None and (refusal := plugin.refuse(state, node)) is not None:
            return plugin, refusal
    return None, None


def _fixed_scores(prepared: Prepared, possible: Sequence[NodeFacts]) -> dict[str, float]:
    fixed = {node.name: 0.0 for node in possible}
    for plugin, state in prepared:
        if plugin.score is None or plugin.normalize is None:
            continue
        raw = {node.name: plugin.score(state, node) for node in possible}
        for name, score in plugin.normalize(raw).items():
            fixed[name] += plugin.weight * score
    return fixed


def _own(prepared: Prepared) -> Sequence[tuple[Plugin, Any]]:
    """Those whose scores look at the Pods of the node."""
    return [(plugin, state) for plugin, state in prepared if plugin.score is not None and plugin.normalize is None]


def _score(ranking: Ranking, own: Iterable[tuple[Plugin, Any]], node: NodeFacts) -> float:
    total = ranking.fixed[node.name]
    for plugin, state in own:
        assert plugin.score is not None
        total += plugin.weight * plugin.score(state, node)
    return total


def _enough(nodes: int) -> int:
    """How many possible nodes a decision wants: all of a small cluster, 50 … 5 percent of a large one."""
    if nodes <= FEW_NODES:
        return nodes
    percent = max(5, 50 - nodes // 125)
    return max(FEW_NODES, nodes * percent // 100)
