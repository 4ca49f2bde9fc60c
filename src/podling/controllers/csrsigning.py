"""Signing: an approved request to one of Kubernetes' own signers gets its certificate from the cluster's authority.

What asks for more than its signer gives is marked as failed. A wish for a shorter life is granted down to ten minutes;
nothing lives longer than a year.
"""

from __future__ import annotations

import base64

from podling.api.objects import Object
from podling.client.resources import CERTIFICATESIGNINGREQUESTS
from podling.env import rfc3339
from podling.pki.requests import BadRequest
from podling.reconcile.action import Plan, Update
from podling.reconcile.controller import Controller
from podling.reconcile.signing import SIGNERS, decode, has, unfit
from podling.reconcile.view import View

SHORTEST, LONGEST = 600, 365 * 86400


def reconcile(found: Object, view: View) -> Plan:
    request, signer = found.view, view.settings.signer
    if signer is None or request.spec.signer_name not in SIGNERS or found.head.deleting:
        return
    if request.status.certificate or not has(request, "Approved") or has(request, "Denied", "Failed"):
        return
    body = found.json()
    status = body.setdefault("status", {})
    try:
        if why := unfit(request):
            raise BadRequest(why)
        seconds = _seconds(request.spec.expiration_seconds)
        certificate = signer(decode(request), request.spec.usages, seconds, view.now)
    except BadRequest as error:
        now = rfc3339(view.now)
        failed = {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": str(error)}
        status["conditions"] = [
            *(status.get("conditions") or ()),
            failed | {"lastUpdateTime": now, "lastTransitionTime": now},
        ]
    else:
        status["certificate"] = base64.b64encode(certificate).decode()
    yield [Update(CERTIFICATESIGNINGREQUESTS, "", found.head.name, body, "status")]


def _seconds(asked: int | None) -> int:
    return LONGEST if asked is None else min(max(asked, SHORTEST), LONGEST)


CONTROLLER = Controller(
    name="certificatesigningrequest-signing",
    component="certificate-controller",
    reconcile=reconcile,
    resource=CERTIFICATESIGNINGREQUESTS,
)
