"""One decision: where a Pod goes, or in upstream's words why nowhere. Pure.

Every plugin says *skip* once, then refuses nodes, then scores what is left; that is remembered for all Pods of a
signature (`ranking`). What the Pods of other nodes mean for this one is told by surveys (`surveying`). Among the best
nodes chance decides, and chance is handed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from podling.scheduler import surveying
from podling.scheduler.plugin import Cause, Hopeless, Plugin, Refusal, Survey
from podling.scheduler.preemption import Preemption, preempt, waits_for_room
from podling.scheduler.ranking import Prepared, Rankings, Said, refused
from podling.scheduler.snapshot import PodFacts, Snapshot

BEFORE_PREEMPTION = "no new claims to deallocate, preemption:"
"""What upstream's plugin for resource claims says before the one for preemption gets its word."""


class Placement(msgspec.Struct, frozen=True):
    node: str


class Unschedulable(msgspec.Struct, frozen=True):
    """`message` is what the condition and the event say; `preemption` what would make room, `heeds` what else may.
    `silent`: it is too early to say anything."""

    message: str
    preemption: Preemption | None = None
    heeds: int = Cause.NODE
    silent: bool = False


class _Asked(msgspec.Struct, frozen=True):
    """What the plugins said of the Pod as such."""

    prepared: Prepared
    surveys: Sequence[tuple[Plugin, Survey]]
    personal: bool
    hopeless: tuple[Plugin, Hopeless] | None


class Cycle:
    """Remembers rankings between decisions; the same snapshot has to be handed in every time."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = tuple(plugins)
        self._rankings = Rankings()

    def decide(self, facts: PodFacts, snapshot: Snapshot, chance: float) -> Placement | Unschedulable:
        """`chance` in [0, 1) chooses among equally good nodes. O(nodes) where nothing is remembered."""
        if not snapshot.nodes:
            return Unschedulable("no nodes available to schedule pods")
        asked = _ask(self._plugins, facts, snapshot)
        if asked.hopeless is not None:
            return _hopeless(*asked.hopeless, facts, snapshot)
        # Room that is made for this Pod keeps away others, though they may be its equals: what is remembered for them
        # is not true for it.
        personal = asked.personal or snapshot.nomination(facts.key) is not None
        ranking = self._rankings.of(facts, asked.prepared, snapshot, personal=personal)
        if not asked.surveys:
            node = ranking.best(chance)
        else:
            node = surveying.best(ranking, asked.surveys, snapshot, chance)
            if node is None and not ranking.complete:
                ranking = self._rankings.completed(facts, asked.prepared, snapshot, personal=personal)
                node = surveying.best(ranking, asked.surveys, snapshot, chance)
        if node is not None:
            return Placement(node)
        refusals, heeds = ranking.refusals, ranking.heeds
        if asked.surveys:
            refusals, heeds = surveying.refusals(ranking, asked.surveys, snapshot)
            said = _said(refusals)
        else:
            said = ranking.told.get(ranking.change) or _said(refusals)
            ranking.told = {ranking.change: said}
        return self._unschedulable(facts, snapshot, refusals, heeds, said)

    def _unschedulable(
        self, facts: PodFacts, snapshot: Snapshot, refusals: Mapping[str, Refusal], heeds: int, said: Said
    ) -> Unschedulable:
        if facts.pod.spec.preemption_policy == "Never":
            return Unschedulable(f"{said.why} not eligible due to preemptionPolicy=Never.", None, heeds)
        if waits_for_room(facts, snapshot):
            why = "not eligible due to a terminating pod on the nominated node."
            return Unschedulable(f"{said.why} {why}", None, heeds)
        preemption = None
        if any(priority < facts.priority and count > 0 for priority, count in snapshot.priorities.items()):
            helped = [name for name, refusal in refusals.items() if not refusal.helpless]
            preemption = preempt(facts, snapshot, helped, self._fits, tuple(snapshot.budgets.values()))
        if preemption is not None:
            return Unschedulable(said.why.removesuffix(f" {BEFORE_PREEMPTION}"), preemption, heeds)
        return Unschedulable(f"{said.why} {said.no_preemption}", None, heeds)

    def _fits(self, facts: PodFacts, snapshot: Snapshot, node: str) -> bool:
        asked = _ask(self._plugins, facts, snapshot)
        if asked.hopeless is not None:
            return False
        seen = snapshot.as_seen_by(facts, snapshot.nodes[node])
        return refused(asked.prepared, seen)[1] is None and surveying.refused(asked.surveys, seen.labels)[1] is None


def _ask(plugins: Iterable[Plugin], facts: PodFacts, snapshot: Snapshot) -> _Asked:
    prepared: list[tuple[Plugin, Any]] = []
    surveys: list[tuple[Plugin, Survey]] = []
    personal = False
    for plugin in plugins:
        if plugin.survey is not None:
            if (survey := plugin.survey(facts, snapshot)) is not None:
                surveys.append((plugin, survey))
            continue
        state = plugin.prepare(facts) if plugin.personal is None else plugin.personal(facts, snapshot)
        if isinstance(state, Hopeless):
            return _Asked((), (), True, (plugin, state))
        if state is not None:
            prepared.append((plugin, state))
            personal = personal or plugin.personal is not None
    return _Asked(prepared, surveys, personal, None)


def _hopeless(plugin: Plugin, told: Hopeless, facts: PodFacts, snapshot: Snapshot) -> Unschedulable:
    if told.silent:
        return Unschedulable(told.reason, None, plugin.heeds, silent=True)
    nodes = len(snapshot.nodes)
    said = f"0/{nodes} nodes are available: {told.reason}."
    if facts.pod.spec.preemption_policy == "Never":
        return Unschedulable(
            f"{said} {BEFORE_PREEMPTION} not eligible due to preemptionPolicy=Never.", None, plugin.heeds
        )
    no_help = f"0/{nodes} nodes are available: {nodes} Preemption is not helpful for scheduling."
    return Unschedulable(f"{said} {BEFORE_PREEMPTION} {no_help}", None, plugin.heeds)


def _said(refusals: Mapping[str, Refusal]) -> Said:
    """O(nodes), so it is remembered where many Pods are refused alike."""
    why = _sentence((reason for each in refusals.values() for reason in each.reasons), len(refusals))
    answers = (
        "Preemption is not helpful for scheduling"
        if refusal.helpless
        else "No preemption victims found for incoming pod"
        for refusal in refusals.values()
    )
    return Said(f"{why} {BEFORE_PREEMPTION}", _sentence(answers, len(refusals)))


def _sentence(reasons: Iterable[str], nodes: int) -> str:
    counted = sorted(f"{count} {reason}" for reason, count in Counter(reasons).items())
    return f"0/{nodes} nodes are available: {', '.join(counted)}."
