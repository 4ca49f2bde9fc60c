"""Service account tokens: what their claims say, and whether what they are bound to still lives.

A token names its account by uid, and the Pod it was made for; when either is gone or another of the same name, the
token is worthless (Kubernetes documentation, "Managing Service Accounts", bound tokens). Signatures are checked once a
token and remembered; whether everything still lives is asked on each request, which is two look-ups in memory.
"""

from __future__ import annotations

import base64
import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from podling.api.objects import Object, key_of
from podling.apiserver.message import User
from podling.env import Env, parse_rfc3339
from podling.pki.tokens import InvalidToken, TokenSigner, TokenVerifier
from podling.storage.watchcache import WatchCache

Claims = Mapping[str, Any]

REMEMBERED = 4096
PRIVATE = "kubernetes.io"
LEGACY_ISSUER = "kubernetes/serviceaccount"
LEGACY_CLAIM = "kubernetes.io/serviceaccount/"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
"""A label on a Secret whose token nobody used for a year: who takes it off may use the token again."""
CLOCKS_APART, LEEWAY = 60.0, 60.0
EXTENSION = 365 * 86400


class TokenReader:
    """Authenticates bearer tokens."""

    def __init__(
        self,
        verifier: TokenVerifier,
        env: Env,
        cache: WatchCache,
        issuer: str,
        audiences: Sequence[str],
        used: Callable[[Object], None] = lambda secret: None,
    ) -> None:
        """`used` is told the Secret of a token without an end whenever that is good."""
        self._used = used
        self._verifier, self._env, self._cache = verifier, env, cache
        self._issuer, self._audiences = issuer, tuple(audiences)
        self._verified: OrderedDict[str, Claims] = OrderedDict()

    def authenticate(self, token: str, audiences: Sequence[str] = ()) -> User | None:
        """The account of a valid token for one of the audiences (this API's own by default), else None."""
        found = self.review(token, audiences)
        return found[0] if found is not None else None

    def review(self, token: str, audiences: Sequence[str] = ()) -> tuple[User, tuple[str, ...]] | None:
        """The account, and those of the audiences the token is for."""
        claims = self._claims(token)
        if claims is None:
            return None
        if claims.get("iss") == LEGACY_ISSUER:
            ours = tuple(each for each in audiences or self._audiences if each in self._audiences)
            user = self._legacy(token, claims) if ours else None
        else:
            ours = self._current(claims, audiences or self._audiences)
            user = self._bound(claims) if ours else None
        return (user, ours) if user is not None else None

    def _bound(self, claims: Claims) -> User | None:
        private = claims.get(PRIVATE) or {}
        namespace = str(private.get("namespace", ""))
        account = private.get("serviceaccount") or {}
        if not self._lives("serviceaccounts", namespace, account):
            return None
        extra: dict[str, tuple[str, ...]] = {}
        pod, node, secret = (private.get(kind) or {} for kind in ("pod", "node", "secret"))
        if pod:
            if not self._lives("pods", namespace, pod):
                return None
            extra["authentication.kubernetes.io/pod-name"] = (str(pod.get("name", "")),)
            extra["authentication.kubernetes.io/pod-uid"] = (str(pod.get("uid", "")),)
        if node:
            # Of a Pod's token the node is only told; a token for the node itself dies with it.
            if not pod and not self._lives("nodes", "", node):
                return None
            extra["authentication.kubernetes.io/node-name"] = (str(node.get("name", "")),)
            extra["authentication.kubernetes.io/node-uid"] = (str(node.get("uid", "")),)
        if secret and not self._lives("secrets", namespace, secret):
            return None
        if jti := claims.get("jti"):
            extra["authentication.kubernetes.io/credential-id"] = (f"JTI={jti}",)
        return user_of(namespace, str(account.get("name", "")), str(account.get("uid", "")), extra)

    def _legacy(self, token: str, claims: Claims) -> User | None:
        """A token without an end lives as long as the Secret that holds it, and its account."""
        namespace = str(claims.get(f"{LEGACY_CLAIM}namespace", ""))
        secret = self._cache.get(key_of("", "secrets", namespace, str(claims.get(f"{LEGACY_CLAIM}secret.name", ""))))
        if secret is None or secret.head.deleting or secret.head.labels.get(INVALID_SINCE):
            return None
        held = (secret.json().get("data") or {}).get("token", "")
        if not hmac.compare_digest(held.encode(), base64.b64encode(token.encode())):
            return None
        name, uid = (str(claims.get(f"{LEGACY_CLAIM}service-account.{each}", "")) for each in ("name", "uid"))
        if not self._lives("serviceaccounts", namespace, {"name": name, "uid": uid}):
            return None
        self._used(secret)
        return user_of(namespace, name, uid, {})

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

    def _current(self, claims: Claims, audiences: Sequence[str]) -> tuple[str, ...]:
        """Those of the audiences it is for, as long as it is valid."""
        now = self._env.now()
        said = claims.get("aud") or ()
        said = (said,) if isinstance(said, str) else said
        try:
            begun = float(claims.get("nbf", 0)) <= now + CLOCKS_APART
            valid = claims.get("iss") == self._issuer and begun and now < float(claims.get("exp", 0))
        except (TypeError, ValueError):
            return ()
        return tuple(each for each in said if each in audiences) if valid else ()

    def _lives(self, plural: str, namespace: str, bound: Mapping[str, Any]) -> bool:
        """Also for a minute after it was to be gone, so that what ends can say so."""
        found = self._cache.get(key_of("", plural, namespace, str(bound.get("name", ""))))
        if found is None or found.head.uid != bound.get("uid"):
            return False
        if not found.head.deleting:
            return True
        ends = parse_rfc3339(found.view.metadata.deletion_timestamp)
        return self._env.now() < ends + LEEWAY


def user_of(namespace: str, name: str, uid: str, extra: Mapping[str, tuple[str, ...]]) -> User:
    """A service account as a user."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, extra)


class TokenIssuer:
    """Makes tokens."""

    def __init__(self, signer: TokenSigner, env: Env, issuer: str) -> None:
        self._signer, self._env, self._issuer = signer, env, issuer

    def issue(
        self,
        namespace: str,
        account: Mapping[str, str],
        audiences: Sequence[str],
        seconds: int,
        bound: Claims,
        *,
        extended: bool = False,
    ) -> str:
        """A token. `account` has name and uid; `bound` is like {"pod": {"name": …, "uid": …}}; `extended`: it holds
        for a year and says after how long it should not be used any more."""
        now = int(self._env.now())
        private = {"namespace": namespace, "serviceaccount": dict(account), **bound}
        claims = {
            "aud": list(audiences),
            "exp": now + (EXTENSION if extended else seconds),
            "iat": now,
            "iss": self._issuer,
            "jti": self._env.uid(),
            PRIVATE: private | ({"warnafter": now + seconds} if extended else {}),
            "nbf": now,
            "sub": f"system:serviceaccount:{namespace}:{account['name']}",
        }
        return self._signer.sign(claims)

    def keys(self) -> dict[str, Any]:
        """The JSON Web Key Set."""
        return self._signer.verifier.jwks()
