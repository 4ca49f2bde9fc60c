"""Certificates: who asks is written down by the server, and approving, signing and vouching need a right of their own.

The right is a verb (`approve`, `sign`, `attest`) on the resource `signers`, for one signer or all of a domain
(Kubernetes documentation, "Certificate Signing Requests", authorization).
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from podling.api.errors import Forbidden, Invalid, forbidden, invalid
from podling.api.kinds.causes import invalid as invalid_value
from podling.api.kinds.cells import at
from podling.api.kinds.certificates.oldversions import LEGACY_SIGNER
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.authorization.question import MASTERS, Authorizer, Question
from podling.env import Env, rfc3339
from podling.pki import requests

Json = dict[str, Any]
GROUP = "certificates.k8s.io"
REQUEST = ((GROUP, "CertificateSigningRequest"),)
BUNDLE = ((GROUP, "ClusterTrustBundle"),)
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


class CertificateRequesters:
    """Ours: what upstream's strategies of the kind do with the user and the clock."""

    subresources = True
    operations = ("CREATE", "UPDATE")
    kinds = REQUEST

    def __init__(self, env: Env) -> None:
        self._env = env

    async def admit(self, attempt: Attempt) -> None:
        if attempt.operation == "CREATE":
            user, spec = attempt.request.user, attempt.obj.setdefault("spec", {})
            said: Json = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
            said["extra"] = {key: list(values) for key, values in user.extra.items()}
            for name, value in said.items():
                spec.pop(name, None)
                if value:
                    spec[name] = value
        elif attempt.subresource:
            now = rfc3339(self._env.now())
            for condition in at(attempt.obj, "status.conditions") or ():
                condition.setdefault("lastUpdateTime", now)
                if not condition["lastUpdateTime"]:
                    condition["lastUpdateTime"] = now
                if not condition.get("lastTransitionTime"):
                    condition["lastTransitionTime"] = _since(condition, attempt.old) or now

    async def validate(self, attempt: Attempt) -> None:
        """Raises Invalid for what is no request, and for a certificate that is none."""
        if attempt.operation == "CREATE":
            if attempt.served.entry.version == "v1" and at(attempt.obj, "spec.signerName") == LEGACY_SIGNER:
                text = "the legacy signerName is not allowed via this API version"
                raise _invalid(attempt, "spec.signerName", LEGACY_SIGNER, text)
            _read(attempt)
            return
        certificate = at(attempt.obj, "status.certificate")
        changed = bool(certificate) and certificate != at(attempt.old, "status.certificate")
        if changed and not requests.is_certificates(_bytes(certificate)):
            raise _invalid(attempt, "status.certificate", "<certificate data>", "must be one or more certificates")


class CertificateApproval:
    subresources = True
    operations = ("UPDATE",)
    kinds = REQUEST

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def validate(self, attempt: Attempt) -> None:
        """Raises Forbidden."""
        signer = at(attempt.old, "spec.signerName") or ""
        if attempt.subresource == "approval" and not may(self._authorizer, attempt, "approve", signer):
            raise _no(attempt, f"user not permitted to approve requests with signerName {json.dumps(signer)}")


class CertificateSigning:
    subresources = True
    operations = ("UPDATE",)
    kinds = REQUEST

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def validate(self, attempt: Attempt) -> None:
        """Raises Forbidden."""
        if attempt.subresource != "status" or _signed(attempt.obj) == _signed(attempt.old):
            return
        signer = at(attempt.old, "spec.signerName") or ""
        if not may(self._authorizer, attempt, "sign", signer):
            raise _no(attempt, f"user not permitted to sign requests with signerName {json.dumps(signer)}")


class CertificateSubjectRestriction:
    operations = ("CREATE",)
    kinds = REQUEST

    async def validate(self, attempt: Attempt) -> None:
        """Raises Forbidden."""
        if at(attempt.obj, "spec.signerName") == CLIENT_SIGNER and MASTERS in _read(attempt).organizations:
            raise _no(attempt, f"use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed")


class TrustAnchors:
    """Ours: a bundle is made of certificates, which the kind itself cannot read."""

    operations = ("CREATE", "UPDATE")
    kinds = BUNDLE

    async def validate(self, attempt: Attempt) -> None:
        """Raises Invalid."""
        bundle = at(attempt.obj, "spec.trustBundle") or ""
        if bundle != at(attempt.old, "spec.trustBundle") and not requests.is_certificates(bundle.encode()):
            raise _invalid(attempt, "spec.trustBundle", "<value omitted>", "must be one or more PEM certificates")


class ClusterTrustBundleAttest:
    operations = ("CREATE", "UPDATE")
    kinds = BUNDLE

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def validate(self, attempt: Attempt) -> None:
        """Raises Forbidden."""
        signer = at(attempt.obj, "spec.signerName") or ""
        if not signer or (attempt.old is not None and attempt.obj.get("spec") == attempt.old.get("spec")):
            return
        if not may(self._authorizer, attempt, "attest", signer):
            raise _no(attempt, f"user not permitted to attest for signerName {json.dumps(signer)}")


def may(authorizer: Authorizer, attempt: Attempt, verb: str, signer: str) -> bool:
    """For the signer itself, or for all of its domain."""
    user = attempt.request.user
    if MASTERS in user.groups:
        return True
    names = (signer, f"{signer.partition('/')[0]}/*")
    return any(authorizer.decide(Question(user, verb, GROUP, "signers", name=name)).allowed for name in names)


def _read(attempt: Attempt) -> requests.Wanted:
    text = at(attempt.obj, "spec.request") or ""
    try:
        return requests.read(_bytes(text))
    except requests.BadRequest as error:
        raise _invalid(attempt, "spec.request", text, str(error)) from error


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return b""


def _signed(obj: Json | None) -> tuple[Any, Any]:
    return at(obj, "status.certificate"), at(obj, "status.conditions")


def _since(condition: Json, old: Json | None) -> str:
    """When the condition became what it is."""
    for before in at(old, "status.conditions") or ():
        if before.get("type") == condition.get("type") and before.get("status") == condition.get("status"):
            return str(before.get("lastTransitionTime") or "")
    return ""


def _invalid(attempt: Attempt, path: str, value: str, why: str) -> Invalid:
    name = attempt.obj["metadata"].get("name", "")
    return invalid(attempt.served.kind.kind, name, [invalid_value(path, value, why)], GROUP)


def _no(attempt: Attempt, why: str) -> Forbidden:
    return forbidden(attempt.served.entry.plural, attempt.obj["metadata"].get("name", ""), why, GROUP)
