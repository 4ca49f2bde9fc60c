"""Requests of Pods for certificates are for minutes: whatever came of one, it goes after a quarter of an hour."""

from __future__ import annotations

from podling.api.objects import Object
from podling.client.resources import PODCERTIFICATEREQUESTS
from podling.env import parse_rfc3339
from podling.reconcile.action import Again, Delete, Plan
from podling.reconcile.controller import Controller
from podling.reconcile.view import View

LIFE = 900.0


def reconcile(found: Object, view: View) -> Plan:
    if found.head.deleting:
        return
    ends = parse_rfc3339(found.view.metadata.creation_timestamp) + LIFE
    if ends <= view.now:
        yield [Delete(PODCERTIFICATEREQUESTS, found.head.namespace, found.head.name, found.head.uid)]
    else:
        yield [Again(ends - view.now)]


CONTROLLER = Controller(
    name="podcertificaterequest-cleaner",
    component="podcertificaterequest-cleaner",
    reconcile=reconcile,
    resource=PODCERTIFICATEREQUESTS,
    aside=True,
)
