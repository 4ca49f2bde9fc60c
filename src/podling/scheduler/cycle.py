"""One decision: where a Pod goes, or in upstream's words why nowhere. Pure.

Every plugin says *skip* once, then refuses nodes, then scores what is left. Among the best nodes chance decides, and
chance is handed in. Pods of one signature are decided alike, so their ranking is kept and only the nodes that changed
since are looked at again (KEP-5598, opportunistic batching); on large clusters a first ranking looks at a rotating
sample, as upstream does.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from podling.scheduler.plugin import Plugin, Refusal
from podling.scheduler.preemption import Preemption, preempt, waits_for_room
from podling.scheduler.snapshot import NodeFacts, PodFacts, Snapshot

FEW_NODES = 100
"""Clusters up to this size are looked at completely."""
REMEMBERED = 64


class Placement(msgspec.Struct, frozen=True):
    node: str


class Unschedulable(msgspec.Struct, frozen=True):
    """`message` is what the condition and the event say; `preemption` what would make room."""

    message: str
    preemption: Preemption | None = None


class _Ranking:
    """What is known for one signature as of `change`: per node a score or a refusal.

    `fixed` is the part of a score that depends on nodes only and not on the Pods they run; it holds as long as no node
    is described anew (`described`).
    """

    def __init__(self, snapshot: Snapshot, fixed: dict[str, float], refusals: dict[str, Refusal]) -> None:
        self.change, self.described = snapshot.changes, snapshot.described
        self.fixed, self.refusals = fixed, refusals
        self.scores: dict[str, float] = {}


class Cycle:
    """Remembers rankings between decisions; the same snapshot has to be handed in every time."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = tuple(plugins)
        self._rankings: OrderedDict[bytes, _Ranking] = OrderedDict()
        self._start = 0

    def decide(self, facts: PodFacts, snapshot: Snapshot, chance: float) -> Placement | Unschedulable:
        """`chance` in [0, 1) chooses among equally good nodes. O(nodes) where nothing is remembered."""
        if not snapshot.nodes:
            return Unschedulable("no nodes available to schedule pods")
        ranking = self._ranking(facts, snapshot)
        if not ranking.scores:
            return self._unschedulable(facts, snapshot, ranking.refusals)
        best = max(ranking.scores.values())
        winners = sorted(name for name, score in ranking.scores.items() if score == best)
        return Placement(winners[int(chance * len(winners))])

    def _unschedulable(self, facts: PodFacts, snapshot: Snapshot, refusals: Mapping[str, Refusal]) -> Unschedulable:
        said = _sentence([reason for refusal in refusals.values() for reason in refusal.reasons], len(refusals))
        if facts.pod.spec.preemption_policy == "Never":
            return Unschedulable(f"{said} preemption: not eligible due to preemptionPolicy=Never.")
        if waits_for_room(facts, snapshot):
            return Unschedulable(f"{said} preemption: not eligible due to a terminating pod on the nominated node.")
        helped = [name for name, refusal in refusals.items() if not refusal.helpless]
        preemption = preempt(facts, snapshot, helped, self._fits, tuple(snapshot.budgets.values()))
        return Unschedulable(said if preemption else f"{said} preemption: {_no_preemption(refusals)}", preemption)

    def _fits(self, facts: PodFacts, snapshot: Snapshot, node: str) -> bool:
        prepared = _prepare(self._plugins, facts, snapshot)
        return _refusal(prepared, snapshot.as_seen_by(facts, snapshot.nodes[node])) is None

    def _ranking(self, facts: PodFacts, snapshot: Snapshot) -> _Ranking:
        prepared = _prepare(self._plugins, facts, snapshot)
        if any(plugin.survey is not None for plugin, _ in prepared):
            return self._rank(facts, prepared, snapshot)
        known = self._rankings.get(facts.signature)
        if known is not None and known.described == snapshot.described and _refresh(known, facts, prepared, snapshot):
            return known
        ranking = self._rank(facts, prepared, snapshot)
        self._rankings[facts.signature] = ranking
        self._rankings.move_to_end(facts.signature)
        if len(self._rankings) > REMEMBERED:
            self._rankings.popitem(last=False)
        return ranking

    def _rank(self, facts: PodFacts, prepared: _Prepared, snapshot: Snapshot) -> _Ranking:
        names = list(snapshot.nodes)
        enough = _enough(len(names))
        possible: list[NodeFacts] = []
        refusals: dict[str, Refusal] = {}
        for offset in range(len(names)):
            if len(possible) >= enough:
                break
            node = snapshot.nodes[names[(self._start + offset) % len(names)]]
            refusal = _refusal(prepared, snapshot.as_seen_by(facts, node))
            if refusal is None:
                possible.append(node)
            else:
                refusals[node.name] = refusal
        self._start = (self._start + len(possible) + len(refusals)) % len(names)
        ranking = _Ranking(snapshot, _fixed_scores(prepared, possible), refusals)
        ranking.scores = {node.name: _score(ranking, prepared, node) for node in possible}
        return ranking


def _refresh(known: _Ranking, facts: PodFacts, prepared: _Prepared, snapshot: Snapshot) -> bool:
    """Look again at what changed since; False where the ranking is of no more use."""
    for name in snapshot.changed_since(known.change):
        node = snapshot.nodes[name]
        if name not in known.scores and name not in known.refusals:
            continue
        known.scores.pop(name, None)
        known.refusals.pop(name, None)
        refusal = _refusal(prepared, snapshot.as_seen_by(facts, node))
        if refusal is not None:
            known.refusals[name] = refusal
        elif name in known.fixed:
            known.scores[name] = _score(known, prepared, node)
        else:
            return False
    known.change = snapshot.changes
    return bool(known.scores)


_Prepared = list[tuple[Plugin, Any]]


def _prepare(plugins: Iterable[Plugin], facts: PodFacts, snapshot: Snapshot) -> _Prepared:
    prepared = [
        (plugin, plugin.prepare(facts) if plugin.survey is None else plugin.survey(facts, snapshot))
        for plugin in plugins
    ]
    return [(plugin, state) for plugin, state in prepared if state is not None]


def _refusal(prepared: _Prepared, node: NodeFacts) -> Refusal | None:
    for plugin, state in prepared:
        if plugin.refuse is not None and (refusal := plugin.refuse(state, node)) is not None:
            return refusal
    return None


def _fixed_scores(prepared: _Prepared, possible: Sequence[NodeFacts]) -> dict[str, float]:
    fixed = {node.name: 0.0 for node in possible}
    for plugin, state in prepared:
        if plugin.score is None or plugin.normalize is None:
            continue
        raw = {node.name: plugin.score(state, node) for node in possible}
        for name, score in plugin.normalize(raw).items():
            fixed[name] += plugin.weight * score
    return fixed


def _score(ranking: _Ranking, prepared: _Prepared, node: NodeFacts) -> float:
    own = (
        plugin.weight * plugin.score(state, node)
        for plugin, state in prepared
        if plugin.score is not None and plugin.normalize is None
    )
    return ranking.fixed[node.name] + sum(own)


def _enough(nodes: int) -> int:
    """How many possible nodes a decision wants: all of a small cluster, 50 … 5 percent of a large one."""
    if nodes <= FEW_NODES:
        return nodes
    percent = max(5, 50 - nodes // 125)
    return max(FEW_NODES, nodes * percent // 100)


def _no_preemption(refusals: Mapping[str, Refusal]) -> str:
    answers = [
        "Preemption is not helpful for scheduling"
        if refusal.helpless
        else "No preemption victims found for incoming pod"
        for refusal in refusals.values()
    ]
    return _sentence(answers, len(refusals))


def _sentence(reasons: Iterable[str], nodes: int) -> str:
    counted = sorted(f"{count} {reason}" for reason, count in Counter(reasons).items())
    return f"0/{nodes} nodes are available: {', '.join(counted)}."
