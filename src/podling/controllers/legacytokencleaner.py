"""Secrets with tokens that nobody asked for and nobody uses: marked first, and gone a year later.

Releases before 1.24 made one for every account and named it there. One that was not used for a year, and that no Pod
mounts, stops being valid; if nobody takes the mark off for another year, it goes (KEP-2799). Until uses have been
written down for a year, nothing happens. A Secret made by hand is never touched: its account does not name it.
"""

from __future__ import annotations

from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.serviceaccount import ServiceAccount
from podling.api.objects import Object
from podling.client.resources import CONFIGMAPS, PODS, SECRETS, SERVICEACCOUNTS
from podling.controllers.serviceaccounttokens import ACCOUNT, TYPE
from podling.env import parse_rfc3339, rfc3339
from podling.reconcile.action import Again, Delete, Patch, Plan
from podling.reconcile.controller import Controller
from podling.reconcile.view import View

LIFE = 365 * 86400.0
DAILY = 86400.0
LAST_USED, INVALID_SINCE = "kubernetes.io/legacy-token-last-used", "kubernetes.io/legacy-token-invalid-since"
TRACKING = ("kube-system", "kube-apiserver-legacy-service-account-token-tracking")


def reconcile(found: Object, view: View) -> Plan:
    if found.head.deleting:
        return
    yield [Again(DAILY)]
    before = view.now - LIFE
    if not _unused(found, view, before) or not _unasked(found, view) or _mounted(found, view):
        return
    marked = found.head.labels.get(INVALID_SINCE, "")
    if _day(marked) is None:
        body = {"metadata": {"labels": {INVALID_SINCE: rfc3339(view.now)[:10]}}}
        yield [Patch(SECRETS, found.head.namespace, found.head.name, body)]
    elif _long_ago(marked, before):
        where = found.head
        yield [Delete(SECRETS, where.namespace, where.name, where.uid, revision=found.revision)]


def _unused(found: Object, view: View, before: float) -> bool:
    """Not made or used since, as far as that was looked at for so long."""
    tracking = view.of(CONFIGMAPS).get(*TRACKING)
    since = tracking.view.data.get("since", "") if tracking is not None else ""
    if not _long_ago(since, before) or parse_rfc3339(found.view.metadata.creation_timestamp) > before:
        return False
    used = found.head.labels.get(LAST_USED, "")
    return not used or _long_ago(used, before)


def _unasked(found: Object, view: View) -> bool:
    """Its account names it, so it was made by a controller of old."""
    account = view.of(SERVICEACCOUNTS).get(found.head.namespace, found.view.metadata.annotations.get(ACCOUNT, ""))
    if account is None:
        return False
    known: ServiceAccount = account.view
    return any(each.name == found.head.name for each in known.secrets)


def _mounted(found: Object, view: View) -> bool:
    for each in view.of(PODS).list(found.head.namespace):
        pod: Pod = each.view
        if any(volume.secret and volume.secret.secret_name == found.head.name for volume in pod.spec.volumes):
            return True
    return False


def _long_ago(text: str, before: float) -> bool:
    day = _day(text)
    return day is not None and day <= before


def _day(text: str) -> float | None:
    try:
        return parse_rfc3339(f"{text}T00:00:00Z") if len(text) == 10 else None
    except ValueError:
        return None


CONTROLLER = Controller(
    name="legacy-serviceaccount-token-cleaner",
    component="legacy-service-account-token-cleaner",
    reconcile=reconcile,
    resource=SECRETS,
    reads=(SERVICEACCOUNTS, CONFIGMAPS, PODS),
    relevant=lambda found: found.head.fields.get("type") == TYPE,
    aside=True,
)
