"""How many Pods each ReplicaSet of a Deployment shall have: the arithmetic of rolling, recreating and scaling.

The documentation's "Deployments": the new ReplicaSet grows while the total stays within `maxSurge` above what is
wanted, old ones shrink while what is available stays within `maxUnavailable` below it, broken Pods first; a Deployment
that is scaled in the middle of a rollout spreads the change over all its ReplicaSets in proportion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from podling.api.kinds.apps.deployment import Deployment
from podling.api.objects import Object
from podling.reconcile import shares, templates

DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
Sizes = list[tuple[Object, int]]


class Rollout(msgspec.Struct, frozen=True):
    """A Deployment and its ReplicaSets: the one of the present template, and the others, oldest first."""

    deployment: Object
    new: Object | None
    old: tuple[Object, ...]

    @property
    def spec(self) -> Any:
        view: Deployment = self.deployment.view
        return view.spec

    @property
    def every(self) -> tuple[Object, ...]:
        return self.old if self.new is None else (*self.old, self.new)

    @property
    def replicas(self) -> int:
        return 1 if self.spec.replicas is None else int(self.spec.replicas)

    @property
    def rolling(self) -> bool:
        return bool(self.spec.strategy.type != "Recreate")

    @property
    def surge(self) -> int:
        rolling = self.spec.strategy.rolling_update
        return shares.resolve(rolling.max_surge, self.replicas, up=True) if self.rolling and rolling else 0

    @property
    def unavailable(self) -> int:
        """Never nothing together with no surge, or the rollout could not move."""
        rolling = self.spec.strategy.rolling_update
        if not self.rolling or rolling is None or not self.replicas:
            return 0
        allowed = shares.resolve(rolling.max_unavailable, self.replicas, up=False)
        return min(allowed if allowed or self.surge else 1, self.replicas)

    @property
    def maximum(self) -> int:
        return self.replicas + self.surge


def of(deployment: Object, sets: Iterable[Object]) -> Rollout:
    """`sets` oldest first; of several with the present template the oldest is the new one."""
    template = deployment.json()["spec"].get("template") or {}
    listed = list(sets)
    new = next((each for each in listed if templates.same(each.json()["spec"].get("template") or {}, template)), None)
    return Rollout(deployment, new, tuple(each for each in listed if each is not new))


def size(found: Object) -> int:
    wanted = found.view.spec.replicas
    return 1 if wanted is None else int(wanted)


def available(sets: Iterable[Object]) -> int:
    return sum(each.view.status.available_replicas for each in sets)


def total(sets: Iterable[Object]) -> int:
    return sum(size(each) for each in sets)


def is_complete(rollout: Rollout, status: Any) -> bool:
    """Everything runs the new template; `status` is the Deployment's, as a view."""
    wanted, generation = rollout.replicas, rollout.deployment.view.metadata.generation
    counts = (status.updated_replicas, status.replicas, status.available_replicas)
    return counts == (wanted, wanted, wanted) and status.observed_generation >= generation


def size_of_new(rollout: Rollout) -> int:
    """What the new ReplicaSet may have now."""
    if not rollout.rolling:
        return rollout.replicas
    present = size(rollout.new) if rollout.new is not None else 0
    if present > rollout.replicas:
        return rollout.replicas
    room = rollout.maximum - total(rollout.every)
    return present + max(0, min(room, rollout.replicas - present))


def shrink_old(rollout: Rollout) -> Sizes:
    """What the old ones have to give up now: Pods that do not work first, then from the oldest."""
    new = rollout.new
    least = rollout.replicas - rollout.unavailable
    waiting = size(new) - new.view.status.available_replicas if new is not None else 0
    budget = total(rollout.every) - least - max(waiting, 0)
    if budget <= 0 or not total(rollout.old):
        return []
    sizes = {each.key: size(each) for each in rollout.old}
    budget -= _give_up_broken(rollout.old, sizes, budget)
    spare = min(available(rollout.every) - least, budget)
    for each in rollout.old:
        given = min(max(spare, 0), sizes[each.key])
        sizes[each.key] -= given
        spare -= given
    return [(each, sizes[each.key]) for each in rollout.old if sizes[each.key] != size(each)]


def _give_up_broken(old: Sequence[Object], sizes: dict[str, int], budget: int) -> int:
    left = budget
    for each in old:
        broken = max(0, size(each) - each.view.status.available_replicas)
        given = min(left, broken)
        sizes[each.key] -= given
        left -= given
    return budget - left


def is_scaling(rollout: Rollout) -> bool:
    """Whether some ReplicaSet was sized for another number of replicas than is wanted now."""
    marks = [_mark(each, DESIRED) for each in rollout.every if size(each)]
    return any(mark is not None and mark != rollout.replicas for mark in marks)


def scaled(rollout: Rollout) -> Sizes:
    """All sizes after the Deployment was scaled; ReplicaSets that keep theirs are listed, to be marked anew."""
    active = [each for each in rollout.every if size(each)]
    if len(active) <= 1:
        only = active[0] if active else rollout.new or (rollout.old[-1] if rollout.old else None)
        return [] if only is None else [(only, rollout.replicas)]
    if rollout.new is not None and _is_saturated(rollout, rollout.new):
        return [(each, 0) for each in rollout.old if size(each)]
    return _in_proportion(rollout, active) if rollout.rolling else []


def _is_saturated(rollout: Rollout, new: Object) -> bool:
    wanted = rollout.replicas
    return (size(new), _mark(new, DESIRED), int(new.view.status.available_replicas)) == (wanted, wanted, wanted)


def _in_proportion(rollout: Rollout, active: Sequence[Object]) -> Sizes:
    """The largest take what rounding leaves; on the way up of equals the younger, on the way down the older."""
    allowed = rollout.maximum if rollout.replicas else 0
    to_add = allowed - total(active)
    age = {each.key: place for place, each in enumerate(active)}
    ordered = sorted(active, key=lambda each: (-size(each), -age[each.key] if to_add > 0 else age[each.key]))
    sizes, added = {}, 0
    for each in ordered:
        share = _share(rollout, each)
        left = to_add - added
        share = max(0, min(share, left)) if to_add > 0 else min(0, max(share, left))
        sizes[each.key] = size(each) + share
        added += share
    if ordered:
        first = ordered[0].key
        sizes[first] = max(0, sizes[first] + to_add - added)
    return [(each, sizes[each.key]) for each in ordered]


def _share(rollout: Rollout, each: Object) -> int:
    if not rollout.replicas:
        return -size(each)
    before = _mark(each, MAXIMUM) or rollout.deployment.view.status.replicas
    return int(size(each) * rollout.maximum / before + 0.5) - size(each) if before else 0


def _mark(found: Object, annotation: str) -> int | None:
    text = found.view.metadata.annotations.get(annotation, "")
    return int(text) if text.isdigit() else None
