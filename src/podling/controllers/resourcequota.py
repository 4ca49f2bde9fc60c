"""ResourceQuota: `status` says what a namespace may use and what it uses now.

Admission counts for itself and never asks this status; it is what people and their tools read. Any change of any
object in a namespace with a quota has it counted again, long lists in slices.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podling.api.objects import Object
from podling.api.quantity import ZERO
from podling.api.quota.tally import Tally
from podling.client.resources import RESOURCEQUOTAS
from podling.reconcile.action import Again, Plan, Update
from podling.reconcile.controller import Controller
from podling.reconcile.view import View

AT_ONCE = 64
RESYNC = 300.0
"""Seconds after which a quota is counted again although nothing changed: Pods may have overstayed their end."""


def reconcile(found: Object, view: View) -> Plan:
    if found.head.deleting:
        return
    tally = Tally(found.view)
    used = dict.fromkeys(tally.hard, ZERO)
    seen = 0
    for source in tally.sources:
        served = view.served.of_plural(*source)
        for each in view.of(served.resource).list(found.head.namespace) if served is not None else ():
            for name, amount in tally.usage(source, each.view, view.now).items():
                used[name] = used[name] + amount
            seen += 1
            if seen % AT_ONCE == 0:
                yield []
    status: dict[str, Any] = {"hard": found.view.spec.hard, "used": {name: str(used[name]) for name in sorted(used)}}
    if (found.view.status.hard, found.view.status.used) != (status["hard"], status["used"]):
        body = found.json() | {"status": status}
        yield [Update(RESOURCEQUOTAS, found.head.namespace, found.head.name, body, "status")]
    yield [Again(RESYNC)]


def _quotas(changed: Object, view: View) -> Iterable[str]:
    quotas = view.of(RESOURCEQUOTAS).list(changed.head.namespace) if changed.head.namespace else ()
    if not quotas or changed.key.startswith("core/resourcequotas/"):
        return ()
    return [quota.key for quota in quotas]


CONTROLLER = Controller(
    name="resourcequota",
    component="resourcequota-controller",
    reconcile=reconcile,
    resource=RESOURCEQUOTAS,
    related=_quotas,
    everything=True,
)
