"""Stale disruptions: a Pod that was said to be taken away and stands two minutes later was not.

Part of upstream's disruption controller. The kubelet's own verdict never gets stale, for its end may take long.
"""

from __future__ import annotations

from podling.api.kinds.policy.budgets import DISRUPTION_TARGET
from podling.api.objects import Object
from podling.client.resources import PODS
from podling.env import rfc3339
from podling.reconcile import pods
from podling.reconcile.action import Again, Patch, Plan
from podling.reconcile.controller import Controller
from podling.reconcile.view import View

TIMEOUT = 120.0


def reconcile(found: Object, view: View) -> Plan:
    condition = pods.condition(found.view, DISRUPTION_TARGET)
    if not _is_said(found) or condition is None:
        return
    left = pods.seconds(condition.last_transition_time, view.now) + TIMEOUT - view.now
    if left > 0:
        yield [Again(left)]
        return
    now = rfc3339(view.now)
    reset = {"type": DISRUPTION_TARGET, "status": "False", "lastTransitionTime": now, "reason": None, "message": None}
    body = {"metadata": {"uid": found.head.uid}, "status": {"conditions": [reset]}}
    yield [Patch(PODS, found.head.namespace, found.head.name, body, "strategic-merge", "status")]


def _is_said(found: Object) -> bool:
    condition = pods.condition(found.view, DISRUPTION_TARGET)
    if found.head.deleting or condition is None or pods.is_finished(found.view):
        return False
    return condition.status == "True" and condition.reason != "TerminationByKubelet"


CONTROLLER = Controller(
    name="stale-disruption",
    component="controllermanager",
    reconcile=reconcile,
    resource=PODS,
    relevant=_is_said,
)
