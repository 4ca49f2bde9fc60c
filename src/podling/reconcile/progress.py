"""What a Deployment's status says: counts, and the conditions that `kubectl rollout status` waits for.

Reasons and messages are upstream's. A rollout that moved within `progressDeadlineSeconds` is progressing, one that did
not has failed to progress, and nothing is done about it but to say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from podling.api.errors import ApiError
from podling.api.kinds.apps.deployment import DeploymentStatus
from podling.api.objects import Object
from podling.env import rfc3339
from podling.reconcile import pods, rollouts, statuses
from podling.reconcile.rollouts import Rollout
from podling.reconcile.statuses import Conditions

Json = dict[str, Any]
FOREVER = 2**31 - 1
CREATED, FOUND, AVAILABLE = "NewReplicaSetCreated", "FoundNewReplicaSet", "NewReplicaSetAvailable"
FAILED, UPDATED, TIMED_OUT = "ReplicaSetCreateError", "ReplicaSetUpdated", "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"


def counts(rollout: Rollout) -> Json:
    """The status without its conditions."""
    every = [each.view.status for each in rollout.every]
    new = rollout.new.view.status.replicas if rollout.new is not None else 0
    ready = rollouts.available(rollout.every)
    out: Json = {
        "observedGeneration": rollout.deployment.view.metadata.generation,
        "replicas": sum(each.replicas for each in every),
        "updatedReplicas": new,
        "readyReplicas": sum(each.ready_replicas for each in every),
        "availableReplicas": ready,
        "unavailableReplicas": max(0, rollouts.total(rollout.every) - ready),
    }
    said = {name: number for name, number in out.items() if number}
    going = [each.terminating_replicas for each in every]
    if None not in going:
        said["terminatingReplicas"] = sum(number or 0 for number in going)
    if rollout.deployment.view.status.collision_count is not None:
        said["collisionCount"] = rollout.deployment.view.status.collision_count
    return said


def has_deadline(rollout: Rollout) -> bool:
    return rollout.spec.progress_deadline_seconds not in (None, FOREVER)


def availability(rollout: Rollout, conditions: Conditions, now: float) -> Conditions:
    enough = rollouts.available(rollout.every) >= rollout.replicas - rollout.unavailable
    if enough:
        told = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        told = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    return _state(conditions, now, "Available", *told)


def pausing(rollout: Rollout, conditions: Conditions, now: float) -> Conditions:
    """A pause stops the deadline's clock; one that is over already stays over."""
    old = statuses.condition(conditions, "Progressing")
    reason = old["reason"] if old is not None else ""
    if not has_deadline(rollout) or reason == TIMED_OUT:
        return conditions
    if rollout.spec.paused and reason != PAUSED:
        return progressing(conditions, now, "Unknown", PAUSED, "Deployment is paused")
    if not rollout.spec.paused and reason == PAUSED:
        return progressing(conditions, now, "Unknown", RESUMED, "Deployment is resumed")
    return conditions


def progressing(conditions: Conditions, now: float, status: str, reason: str, message: str) -> Conditions:
    return _state(conditions, now, "Progressing", status, reason, message)


def moving(rollout: Rollout, conditions: Conditions, status: Json, now: float) -> Conditions:
    """The Progressing condition of a rollout that is neither paused nor being scaled."""
    if not has_deadline(rollout):
        return statuses.without(conditions, "Progressing")
    new = msgspec.convert(status, DeploymentStatus)
    current = statuses.condition(conditions, "Progressing")
    settled = current is not None and current["reason"] == AVAILABLE and new.replicas == new.updated_replicas
    if settled:
        return conditions
    name = rollout.deployment.head.name
    what = f'Deployment "{name}"' if rollout.new is None else f'ReplicaSet "{rollout.new.head.name}"'
    if rollouts.is_complete(rollout, new):
        return progressing(conditions, now, "True", AVAILABLE, f"{what} has successfully progressed.")
    if _moved(rollout.deployment.view.status, new):
        return _touched(conditions, now, f"{what} is progressing.")
    if due_in(rollout, conditions, now) == 0.0:
        return progressing(conditions, now, "False", TIMED_OUT, f"{what} has timed out progressing.")
    return conditions


def failing(rollout: Rollout, conditions: Conditions) -> Conditions:
    """A ReplicaSet that cannot make its Pods speaks for the Deployment too; the new one first."""
    others = statuses.without(conditions, "ReplicaFailure")
    sets: Iterable[Object] = reversed(rollout.every)
    for each in sets:
        told = statuses.condition(statuses.conditions_of(each), "ReplicaFailure")
        if told is not None:
            since = told.get("lastTransitionTime")
            return [*others, {**told, "lastUpdateTime": since, "lastTransitionTime": since}]
    return others


def due_in(rollout: Rollout, conditions: Conditions, now: float) -> float | None:
    """Seconds until the deadline passes, 0.0 once it has; None where none is running."""
    current = statuses.condition(conditions, "Progressing")
    if not has_deadline(rollout) or current is None or current["reason"] in (AVAILABLE, PAUSED):
        return None
    if current["reason"] == TIMED_OUT:
        return 0.0
    since = pods.seconds(current.get("lastUpdateTime"), now)
    return max(0.0, since + float(rollout.spec.progress_deadline_seconds) - now)


def is_refusal(failure: ApiError | None) -> bool:
    """Whether the API would say so again: worth a condition."""
    return failure is not None and failure.reason in ("Forbidden", "Invalid", "BadRequest", "NotFound")


def _touched(conditions: Conditions, now: float, message: str) -> Conditions:
    """Still progressing: the deadline counts from now."""
    told = statuses.stated(
        statuses.without(conditions, "Progressing"),
        now,
        "Progressing",
        "True",
        UPDATED,
        message,
        lastUpdateTime=rfc3339(now),
    )
    old = statuses.condition(conditions, "Progressing")
    if old is not None and old["status"] == "True":
        told[-1]["lastTransitionTime"] = old.get("lastTransitionTime")
    return told


def _moved(old: DeploymentStatus, new: DeploymentStatus) -> bool:
    return (
        new.updated_replicas > old.updated_replicas
        or new.replicas - new.updated_replicas < old.replicas - old.updated_replicas
        or new.ready_replicas > old.ready_replicas
        or new.available_replicas > old.available_replicas
    )


def _state(conditions: Conditions, now: float, type: str, status: str, reason: str, message: str) -> Conditions:
    return statuses.stated(conditions, now, type, status, reason, message, lastUpdateTime=rfc3339(now))
