"""What a PodCertificateRequest asks for and is given has to be readable, and only its signer answers it.

Upstream's strategy of the kind does this; here the kind's declaration is pure, so what needs cryptography, the clock
or the authorizer comes with admission (KEP-4317).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any

from podling.api.errors import Cause, Invalid, invalid
from podling.api.kinds import causes
from podling.api.kinds.cells import at
from podling.api.kinds.certificates.podcertificaterequest import ISSUED, answer
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.admission.certificates import GROUP, may
from podling.apiserver.authorization.question import Authorizer
from podling.env import Env, parse_rfc3339
from podling.pki import podcertificates

Json = dict[str, Any]
STUB, CHAIN = "spec.stubPKCS10Request", "status.certificateChain"
_STUB_LIMIT = 10 * 1024
_SHORTEST, _MARGIN, _SKEW = 3600.0, 600.0, 300.0


class PodCertificateRequests:
    """Ours: what upstream's strategies of the kind do."""

    subresources = True
    operations = ("CREATE", "UPDATE")
    kinds = ((GROUP, "PodCertificateRequest"),)

    def __init__(self, env: Env, authorizer: Authorizer) -> None:
        self._env, self._authorizer = env, authorizer

    async def validate(self, attempt: Attempt) -> None:
        """Raises Invalid."""
        if attempt.operation == "CREATE":
            _refuse(attempt, _requested(attempt.obj))
        elif attempt.subresource == "status" and attempt.obj.get("status") != (attempt.old or {}).get("status"):
            if answer(attempt.obj) == ISSUED:
                _refuse(attempt, next(_misfits(attempt.obj, self._env.now()), None))
            signer = at(attempt.old, "spec.signerName") or ""
            if not may(self._authorizer, attempt, "sign", signer):
                who = json.dumps(attempt.request.user.name)
                text = f'User {who} is not permitted to "sign" for signer {json.dumps(signer)}'
                _refuse(attempt, causes.forbidden("spec.signerName", text))


def _requested(obj: Json) -> Cause | None:
    text = at(obj, STUB) or ""
    if not text:
        return causes.required(STUB)
    try:
        given = base64.b64decode(text)
    except (binascii.Error, ValueError):
        given = b""
    if len(given) > _STUB_LIMIT:
        return causes.too_long(STUB, _STUB_LIMIT)
    try:
        podcertificates.requested_key(given)
    except podcertificates.Unreadable as error:
        return causes.omitted(STUB, str(error))
    return None


def _misfits(obj: Json, now: float) -> Iterator[Cause]:
    """What is wrong with the certificate that was issued; the first finding counts."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    chain = status.get("certificateChain", "")
    try:
        leaf = podcertificates.leaf_of(chain.encode())
        wanted = podcertificates.requested_key(base64.b64decode(spec.get("stubPKCS10Request", "")))
    except podcertificates.Unreadable as error:
        yield causes.invalid(CHAIN, chain, str(error))
        return
    for name in leaf.dns_names:
        if not name or ".." in name or name.startswith(".") or name.endswith("."):
            yield causes.invalid(CHAIN, name, "leaf certificate should not contain a DNSName like this")
    if leaf.key != wanted:
        yield causes.invalid(CHAIN, chain, "leaf certificate was not issued to the requested public key")
    yield from _untimely(spec, status, leaf, now)


def _untimely(spec: Json, status: Json, leaf: podcertificates.Leaf, now: float) -> Iterator[Cause]:
    begin, end, refresh = (parse_rfc3339(status[name]) for name in ("notBefore", "notAfter", "beginRefreshAt"))
    if begin != leaf.not_before:
        text = "must be set to the NotBefore time encoded in the leaf certificate"
        yield causes.invalid("status.notBefore", status["notBefore"], text)
    if abs(begin - now) >= _SKEW:
        text = "must be set to within 5 minutes of kube-apiserver's current time"
        yield causes.invalid("status.notBefore", status["notBefore"], text)
    if end != leaf.not_after:
        text = "must be set to the NotAfter time encoded in the leaf certificate"
        yield causes.invalid("status.notAfter", status["notAfter"], text)
    longest = spec.get("maxExpirationSeconds", 0)
    if end - begin < _SHORTEST:
        yield causes.invalid(CHAIN, end - begin, "leaf certificate lifetime must be >= 1 hour")
    if end - begin > longest:
        text = f"leaf certificate lifetime must be <= spec.maxExpirationSeconds ({longest})"
        yield causes.invalid(CHAIN, end - begin, text)
    if refresh < begin + _MARGIN:
        text = "must be at least 10 minutes after status.notBefore"
        yield causes.invalid("status.beginRefreshAt", status["beginRefreshAt"], text)
    if refresh > end - _MARGIN:
        text = "must be at least 10 minutes before status.notAfter"
        yield causes.invalid("status.beginRefreshAt", status["beginRefreshAt"], text)


def _refuse(attempt: Attempt, cause: Cause | None) -> None:
    if cause is not None:
        raise _invalid(attempt, cause)


def _invalid(attempt: Attempt, cause: Cause) -> Invalid:
    return invalid("PodCertificateRequest", attempt.obj["metadata"].get("name", ""), [cause], GROUP)
