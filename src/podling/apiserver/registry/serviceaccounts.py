"""Service account tokens: what their claims say, and whether what they are bound to still lives.

A token names its account by uid, and the Pod it was made for; when either is gone or another of the same name, the
token is worthless (Kubernetes documentation, "Managing Service Accounts", bound tokens). Signatures are checked once a
token and remembered; whether everything still lives is asked on each request, which is two look-ups in memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from podling.api.objects import key_of
from podling.apiserver.message import User
from podling.env import Env
from podling.pki.tokens import InvalidToken, TokenSigner, TokenVerifier
from podling.storage.watchcache import WatchCache

Claims = Mapping[str, Any]

REMEMBERED = 4096
PRIVATE = "kubernetes.io"


class TokenReader:
    """Authenticates bearer tokens."""

    def __init__(
        self, verifier: TokenVerifier, env: Env, cache: WatchCache, issuer: str, audiences: Sequence[str]
    ) -> None:
        self._verifier, self._env, self._cache = verifier, env, cache
        self._issuer, self._audiences = issuer, tuple(audiences)
        self._verified: OrderedDict[str, Claims] = OrderedDict()

    def authenticate(self, token: str, audiences: Sequence[str] = ()) -> User | None:
        """The account of a valid token for one of the audiences (this API's own by default), else None."""
        claims = self._claims(token)
        if claims is None or not self._current(claims, audiences or self._audiences):
            return None
        private = claims.get(PRIVATE) or {}
        namespace = str(private.get("namespace", ""))
        account = private.get("serviceaccount") or {}
        if not self._lives("serviceaccounts", namespace, account):
            return None
        extra: dict[str, tuple[str, ...]] = {}
        if pod := private.get("pod"):
            if not self._lives("pods", namespace, pod):
                return None
            extra["authentication.kubernetes.io/pod-name"] = (str(pod.get("name", "")),)
            extra["authentication.kubernetes.io/pod-uid"] = (str(pod.get("uid", "")),)
        if (secret := private.get("secret")) and not self._lives("secrets", namespace, secret):
            return None
        if jti := claims.get("jti"):
            extra["authentication.kubernetes.io/credential-id"] = (f"JTI={jti}",)
        return User(
            f"system:serviceaccount:{namespace}:{account.get('name', '')}",
            ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"),
            str(account.get("uid", "")),
            extra,
        )

    def _claims(self, token: str) -> Claims | None:
        if (known := self._verified.get(token)) is not None:
            self._verified.move_to_end(token)
            return known
        try:
            claims = self._verifier.verify(token)
        except InvalidToken:
            return None
        self._verified[token] = claims
        if len(self._verified) > REMEMBERED:
            self._verified.popitem(last=False)
        return claims

    def _current(self, claims: Claims, audiences: Sequence[str]) -> bool:
        now = self._env.now()
        said = claims.get("aud") or ()
        said = (said,) if isinstance(said, str) else said
        return (
            claims.get("iss") == self._issuer
            and any(each in audiences for each in said)
            and float(claims.get("nbf", 0)) <= now + 60
            and now < float(claims.get("exp", 0))
        )

    def _lives(self, plural: str, namespace: str, bound: Mapping[str, Any]) -> bool:
        found = self._cache.get(key_of("", plural, namespace, str(bound.get("name", ""))))
        return found is not None and found.head.uid == bound.get("uid")


class TokenIssuer:
    """Makes tokens."""

    def __init__(self, signer: TokenSigner, env: Env, issuer: str) -> None:
        self._signer, self._env, self._issuer = signer, env, issuer

    def issue(
        self, namespace: str, account: Mapping[str, str], audiences: Sequence[str], seconds: int, bound: Claims
    ) -> tuple[str, float]:
        """(token, end of its validity). `account` has name and uid; `bound` is like {"pod": {"name": …, "uid": …}}."""
        now = int(self._env.now())
        claims = {
            "aud": list(audiences),
            "exp": now + seconds,
            "iat": now,
            "iss": self._issuer,
            "jti": self._env.uid(),
            PRIVATE: {"namespace": namespace, "serviceaccount": dict(account), **bound},
            "nbf": now,
            "sub": f"system:serviceaccount:{namespace}:{account['name']}",
        }
        return self._signer.sign(claims), float(now + seconds)

    def keys(self) -> dict[str, Any]:
        """The JSON Web Key Set."""
        return self._signer.verifier.jwks()
