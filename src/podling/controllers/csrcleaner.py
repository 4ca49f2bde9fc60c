"""Cleaning: requests that were answered go after an hour, those that nobody answered after a day.

So do those whose certificate has expired.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from podling.api.kinds.certificates.certificatesigningrequest import CertificateSigningRequest
from podling.api.objects import Object
from podling.client.resources import CERTIFICATESIGNINGREQUESTS
from podling.env import parse_rfc3339
from podling.pki.requests import expiry
from podling.reconcile.action import Again, Delete, Plan
from podling.reconcile.controller import Controller
from podling.reconcile.view import View

ANSWERED, PENDING = 3600.0, 86400.0


def reconcile(found: Object, view: View) -> Plan:
    if found.head.deleting:
        return
    ends = min(_ends(found.view), default=None)
    if ends is None:
        return
    if ends <= view.now:
        yield [Delete(CERTIFICATESIGNINGREQUESTS, "", found.head.name, found.head.uid)]
    else:
        yield [Again(ends - view.now)]


def _ends(request: CertificateSigningRequest) -> Iterator[float]:
    """When it may go, for each reason there is."""
    issued = bool(request.status.certificate)
    if not request.status.conditions:
        yield parse_rfc3339(request.metadata.creation_timestamp) + PENDING
    for condition in request.status.conditions:
        since = condition.last_update_time or request.metadata.creation_timestamp
        if condition.type in ("Denied", "Failed") or (condition.type == "Approved" and issued):
            yield parse_rfc3339(since) + ANSWERED
    if issued:
        try:
            yield expiry(base64.b64decode(request.status.certificate))
        except (binascii.Error, ValueError):
            return


CONTROLLER = Controller(
    name="certificatesigningrequest-cleaner",
    component="certificate-controller",
    reconcile=reconcile,
    resource=CERTIFICATESIGNINGREQUESTS,
)
