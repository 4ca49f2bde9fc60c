"""What a Pod's status means to those who count Pods."""

from __future__ import annotations

from collections.abc import Iterable

from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.podstatus import PodCondition
from podling.api.kinds.meta import ObjectMeta, OwnerReference
from podling.api.objects import Object
from podling.env import parse_rfc3339


def condition(pod: Pod, type: str) -> PodCondition | None:
    return next((each for each in pod.status.conditions if each.type == type), None)


def is_ready(pod: Pod) -> bool:
    ready = condition(pod, "Ready")
    return ready is not None and ready.status == "True"


def is_finished(pod: Pod) -> bool:
    """It will never run again."""
    return pod.status.phase in ("Succeeded", "Failed")


def same_standing(old: Object, new: Object) -> bool:
    """Whether nothing changed that those look at who count Pods: not every status is news to them."""
    before, after = old.head, new.head
    if (before.uid, before.deleting, before.owners) != (after.uid, after.deleting, after.owners):
        return False
    if before.labels != after.labels or old.view.status.phase != new.view.status.phase:
        return False
    return condition(old.view, "Ready") == condition(new.view, "Ready")


def is_active(pod: Pod) -> bool:
    """It counts towards the replicas that are wanted."""
    return not is_finished(pod) and pod.metadata.deletion_timestamp is None


def available_in(pod: Pod, min_ready_seconds: int, now: float) -> float | None:
    """Seconds until a ready Pod counts as available (0.0: it does); None where it is not ready."""
    ready = condition(pod, "Ready")
    if ready is None or ready.status != "True":
        return None
    if not min_ready_seconds:
        return 0.0
    return max(0.0, seconds(ready.last_transition_time, now) + min_ready_seconds - now)


def seconds(timestamp: str | None, missing: float) -> float:
    """A time of the API as wall clock seconds; `missing` where there is none or it cannot be read."""
    if not timestamp:
        return missing
    try:
        return parse_rfc3339(timestamp)
    except ValueError:
        return missing


def controller_of(meta: ObjectMeta) -> OwnerReference | None:
    return next((owner for owner in meta.owner_references if owner.controller), None)


def restarts(pod: Pod) -> int:
    return sum(status.restart_count for status in pod.status.container_statuses)


def names(pods: Iterable[Pod]) -> list[str]:
    return [pod.metadata.name for pod in pods]
