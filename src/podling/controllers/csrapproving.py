"""Approving: a kubelet that asks for its client certificate gets it without a person, where its user may ask.

Whether he may is a question to the authorizer: the right to create `certificatesigningrequests/selfnodeclient` for
one's own node, or `…/nodeclient` for any (Kubernetes documentation, "TLS bootstrapping").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podling.api.errors import ApiError
from podling.api.kinds.certificates.certificatesigningrequest import CertificateSigningRequest
from podling.api.objects import Object
from podling.client.resources import CERTIFICATESIGNINGREQUESTS, SUBJECTACCESSREVIEWS
from podling.env import rfc3339
from podling.pki.requests import BadRequest, read
from podling.reconcile.action import Again, Ask, Asking, Update
from podling.reconcile.controller import Controller
from podling.reconcile.signing import KUBELET_CLIENT, decode, has, kubelet_client
from podling.reconcile.view import View

RETRY = 1.0
_OWN = ("selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview.")
_ANY = ("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.")


def reconcile(found: Object, view: View) -> Asking:
    request = found.view
    if found.head.deleting or request.status.certificate or has(request, "Approved", "Denied"):
        return
    for permission, message in _recognized(request):
        (answer,) = yield [Ask(SUBJECTACCESSREVIEWS.path(), body=_review(request, permission))]
        if isinstance(answer, ApiError):
            yield [Again(RETRY)]
            return
        if (answer.get("status") or {}).get("allowed"):
            yield [_approval(found, message, view.now)]
            return


def _recognized(request: CertificateSigningRequest) -> Iterator[tuple[str, str]]:
    """The permissions that would do, with what is said of them."""
    if request.spec.signer_name != KUBELET_CLIENT:
        return
    try:
        wanted = read(decode(request))
    except BadRequest:
        return
    if kubelet_client(wanted, request.spec.usages):
        return
    if request.spec.username == wanted.common_name:
        yield _OWN
    yield _ANY


def _review(request: CertificateSigningRequest, permission: str) -> dict[str, Any]:
    spec = request.spec
    attributes = {
        "group": CERTIFICATESIGNINGREQUESTS.group,
        "resource": CERTIFICATESIGNINGREQUESTS.plural,
        "verb": "create",
        "subresource": permission,
        "version": "*",
    }
    asked: dict[str, Any] = {"user": spec.username, "groups": list(spec.groups), "resourceAttributes": attributes}
    if spec.uid:
        asked["uid"] = spec.uid
    if spec.extra:
        asked["extra"] = {key: list(values) for key, values in spec.extra.items()}
    return {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": asked}


def _approval(found: Object, message: str, now: float) -> Update:
    body = found.json()
    stamp = rfc3339(now)
    condition = {"type": "Approved", "status": "True", "reason": "AutoApproved", "message": message}
    condition |= {"lastUpdateTime": stamp, "lastTransitionTime": stamp}
    status = body.setdefault("status", {})
    status["conditions"] = [*(status.get("conditions") or ()), condition]
    return Update(CERTIFICATESIGNINGREQUESTS, "", found.head.name, body, "approval")


CONTROLLER = Controller(
    name="certificatesigningrequest-approving",
    component="certificate-controller",
    reconcile=reconcile,
    resource=CERTIFICATESIGNINGREQUESTS,
)
