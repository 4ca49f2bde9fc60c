"""The numbered history of a Deployment, in annotations of its ReplicaSets: what `kubectl rollout history` reads."""

from __future__ import annotations

from collections.abc import Iterable

from podling.api.objects import Object
from podling.reconcile.rollouts import DESIRED, MAXIMUM, Rollout, size

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
NOT_COPIED = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        HISTORY,
        DESIRED,
        MAXIMUM,
        "deprecated.deployment.rollback.to",
    )
)
_LONGEST = 2000


def number(found: Object) -> int:
    text = found.view.metadata.annotations.get(REVISION, "")
    return int(text) if text.isdigit() else 0


def next_number(old: Iterable[Object]) -> int:
    return max((number(each) for each in old), default=0) + 1


def marks(rollout: Rollout) -> dict[str, str]:
    """The sizes a ReplicaSet was sized by: how a later change of the Deployment's own is noticed."""
    return {DESIRED: str(rollout.replicas), MAXIMUM: str(rollout.maximum)}


def texts(rollout: Rollout) -> dict[str, str]:
    """What the new ReplicaSet has to be annotated with: the Deployment's own, and its place in the history."""
    given = rollout.deployment.view.metadata.annotations
    out = {key: text for key, text in given.items() if key not in NOT_COPIED}
    new, revision = rollout.new, next_number(rollout.old)
    if new is None:
        return out | {REVISION: str(revision)}
    if number(new) >= revision:
        return out
    before = new.view.metadata.annotations.get(REVISION, "")
    past = [each for each in new.view.metadata.annotations.get(HISTORY, "").split(",") if each]
    if before:
        past.append(before)
    while past and len(",".join(past)) > _LONGEST:
        past.pop(0)
    return out | {REVISION: str(revision)} | ({HISTORY: ",".join(past)} if past else {})


def forgotten(rollout: Rollout) -> list[Object]:
    """Old ReplicaSets beyond the limit of the history that have nothing left to do."""
    limit = rollout.spec.revision_history_limit
    old = [each for each in rollout.old if not each.head.deleting]
    if limit is None or len(old) <= limit:
        return []
    oldest = sorted(old, key=number)[: len(old) - limit]
    return [each for each in oldest if _is_idle(each)]


def _is_idle(found: Object) -> bool:
    view = found.view
    return not size(found) and not view.status.replicas and view.metadata.generation <= view.status.observed_generation
