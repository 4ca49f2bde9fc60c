"""Claims that ask for more than their volume holds: says who has to make it larger.

No plugin of this cluster can grow a volume, so this is all that upstream's controller does for CSI volumes too: an
external resizer does the work and writes the new capacity (Kubernetes documentation, "Expanding Persistent Volumes
Claims").
"""

from __future__ import annotations

from podling.api import quantity
from podling.api.objects import Object
from podling.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from podling.reconcile.action import Plan, Remember, Tell, reference
from podling.reconcile.controller import Controller
from podling.reconcile.view import View

WAITING = "waiting for an external controller to expand this PVC"


def reconcile(found: Object, view: View) -> Plan:
    """Tells it once for each size that is asked for."""
    if not _asks_for_more(found):
        return
    volume = view.of(PERSISTENTVOLUMES).get("", found.view.spec.volume_name)
    held_by = None if volume is None else volume.view.spec.claim_ref
    asked = found.view.spec.resources.requests["storage"]
    if held_by is not None and held_by.uid == found.head.uid and view.remembered != asked:
        yield [Tell(reference(found), "Normal", "ExternalExpanding", WAITING), Remember(asked)]


def _asks_for_more(found: Object) -> bool:
    asked, held = found.view.spec.resources.requests.get("storage"), found.view.status.capacity.get("storage")
    if found.view.status.phase != "Bound" or asked is None or held is None:
        return False
    return quantity.of(asked) > quantity.of(held)


CONTROLLER = Controller(
    name="persistentvolume-expander",
    component="volume_expand",
    reconcile=reconcile,
    resource=PERSISTENTVOLUMECLAIMS,
    reads=(PERSISTENTVOLUMES,),
    relevant=_asks_for_more,
)
