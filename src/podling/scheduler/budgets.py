"""Disruption budgets as preemption sees them: kept where it can be, never a reason not to make room.

Upstream too breaks a budget rather than leave an important Pod waiting; of nodes it takes the one where the fewest
have to be broken.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from podling.api.kinds.meta import LabelSelector
from podling.api.objects import Object
from podling.reconcile.selectors import matches
from podling.scheduler.facts import PodFacts


class Budget(msgspec.Struct, frozen=True):
    """`allowed` more disruptions; those `granted` (names of Pods) are counted already."""

    namespace: str
    selector: LabelSelector
    allowed: int
    granted: frozenset[str] = frozenset()

    def guards(self, facts: PodFacts) -> bool:
        meta = facts.pod.metadata
        if meta.namespace != self.namespace or not meta.labels or meta.name in self.granted:
            return False
        return matches(self.selector, meta.labels)


def budget_of(found: Object) -> Budget | None:
    """None where it selects nothing."""
    spec, status = found.view.spec, found.view.status
    if spec.selector is None:
        return None
    return Budget(found.head.namespace, spec.selector, status.disruptions_allowed, frozenset(status.disrupted_pods))


def violating(candidates: Iterable[PodFacts], budgets: Iterable[Budget]) -> frozenset[str]:
    """Keys of the Pods beyond what their budgets allow, if all of them went, the first first."""
    every = tuple(budgets)
    left = [budget.allowed for budget in every]
    out: list[str] = []
    for facts in candidates:
        for place, budget in enumerate(every):
            if budget.guards(facts):
                left[place] -= 1
                if left[place] < 0:
                    out.append(facts.key)
    return frozenset(out)
