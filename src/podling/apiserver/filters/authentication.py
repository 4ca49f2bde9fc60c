"""Who asks: a client certificate, a user a front proxy names, a bearer token, else nobody in particular.

A certificate was verified by TLS; its common name is the user, its organizations are the groups. A bearer token that
is not valid is an error, never an anonymous request (Kubernetes documentation, "Authenticating").
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from podling.api.errors import Unauthorized
from podling.apiserver.filters.requestheader import FrontProxies, ProxyUser
from podling.apiserver.message import ANONYMOUS, Request, User
from podling.apiserver.registry.bearertokens import BearerTokens

AUTHENTICATED = "system:authenticated"
CREDENTIAL = "authentication.kubernetes.io/credential-id"


class Authentication:
    def __init__(self, tokens: BearerTokens, proxies: Callable[[], FrontProxies]) -> None:
        self._tokens, self._proxies = tokens, proxies

    def enter(self, request: Request) -> None:
        if request.in_process:
            return
        known = request.certificate_user
        if known is not None:
            if type(known) is not ProxyUser:
                request.user = known
                return
            user = self._proxies().user(known, request)
            if user is not None:
                request.user = user
                return
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            user = self._tokens.authenticate(token.strip())
            if user is None:
                raise Unauthorized("Unauthorized")
            request.user = user
            return
        if known is not None:
            # A proxy that says nobody's name is nobody itself.
            raise Unauthorized("Unauthorized")
        request.user = ANONYMOUS


def certificate_user(peer: Any, encoded: bytes | None = None) -> User | None:
    """The user of a peer certificate as `ssl` decodes it (`getpeercert()`), by whose fingerprint his deeds can be told
    from those of another certificate of the same name; None without one."""
    if not peer:
        return None
    subject = [pair for relative in peer.get("subject", ()) for pair in relative]
    names = [value for key, value in subject if key == "commonName"]
    groups = tuple(value for key, value in subject if key == "organizationName")
    if not names:
        return None
    extra = {CREDENTIAL: (f"X509SHA256={hashlib.sha256(encoded).hexdigest()}",)} if encoded else {}
    return User(names[-1], (*groups, AUTHENTICATED), extra=extra)
