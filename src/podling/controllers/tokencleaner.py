"""Bootstrap tokens that are over go."""

from __future__ import annotations

from podling.api.objects import Object
from podling.client.resources import SECRETS
from podling.reconcile.action import Again, Delete, Plan
from podling.reconcile.bootstrapping import is_token, token_of
from podling.reconcile.controller import Controller
from podling.reconcile.view import View


def reconcile(found: Object, view: View) -> Plan:
    ends = token_of(found).ends
    if found.head.deleting or ends is None:
        return
    if ends <= view.now:
        yield [Delete(SECRETS, found.head.namespace, found.head.name, found.head.uid)]
    else:
        yield [Again(ends - view.now)]


CONTROLLER = Controller(
    name="token-cleaner",
    component="token-cleaner",
    reconcile=reconcile,
    resource=SECRETS,
    relevant=is_token,
)
