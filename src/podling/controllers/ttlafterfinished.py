"""Jobs that have ended are deleted, with what belongs to them, when their time is over.

`ttlSecondsAfterFinished` counts from the moment the Job was complete or failed. It is deleted exactly as it was seen:
whoever gives it more time meanwhile is not overruled (the documentation's "Automatic Cleanup for Finished Jobs").
"""

from __future__ import annotations

from podling.api.objects import Object
from podling.client.resources import JOBS
from podling.reconcile import pods, statuses
from podling.reconcile.action import Again, Delete, Plan
from podling.reconcile.controller import Controller
from podling.reconcile.view import View


def reconcile(found: Object, view: View) -> Plan:
    ended = _ended(found)
    if found.head.deleting or ended is None:
        return
    left = ended + found.view.spec.ttl_seconds_after_finished - view.now
    if left > 0:
        yield [Again(left)]
        return
    head = found.head
    yield [Delete(JOBS, head.namespace, head.name, head.uid, "Foreground", revision=found.revision)]


def _ended(found: Object) -> float | None:
    """When the Job ended (wall clock); None where it has not."""
    conditions = statuses.conditions_of(found)
    for each in conditions:
        if each["type"] in ("Complete", "Failed") and each["status"] == "True":
            return pods.seconds(each.get("lastTransitionTime"), float("inf"))
    return None


def _has_time(found: Object) -> bool:
    return found.view.spec.ttl_seconds_after_finished is not None


CONTROLLER = Controller(
    name="ttl-after-finished-controller",
    component="ttl-after-finished-controller",
    reconcile=reconcile,
    resource=JOBS,
    relevant=_has_time,
)
