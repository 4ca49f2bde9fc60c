"""Bootstrap tokens: short-lived tokens of machines that have nothing else yet, kept as Secrets in kube-system.

A token is `id.secret`; its Secret is `bootstrap-token-<id>` and says until when and for what it is good (Kubernetes
documentation, "Authenticating with Bootstrap Tokens").
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping

from podling.api.objects import key_of
from podling.apiserver.message import User
from podling.env import Env, parse_rfc3339
from podling.storage.watchcache import WatchCache

TYPE = "bootstrap.kubernetes.io/token"
GROUP = "system:bootstrappers"
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


class BootstrapTokens:
    def __init__(self, env: Env, cache: WatchCache) -> None:
        self._env, self._cache = env, cache

    def authenticate(self, token: str) -> User | None:
        """`system:bootstrap:<id>` in the groups its Secret names; None for any other token."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        identity, secret = found.groups()
        stored = self._cache.get(key_of("", "secrets", "kube-system", f"bootstrap-token-{identity}"))
        if stored is None or stored.head.deleting:
            return None
        body = stored.json()
        data = decoded(body.get("data") or {})
        if body.get("type") != TYPE or data.get("token-id") != identity:
            return None
        if not hmac.compare_digest(data.get("token-secret", "").encode(), secret.encode()):
            return None
        if expired(data, self._env.now()):
            return None
        groups = _groups(data.get("auth-extra-groups", ""))
        if groups is None or data.get("usage-bootstrap-authentication") != "true":
            return None
        return User(f"system:bootstrap:{identity}", (GROUP, *groups, "system:authenticated"))


def decoded(data: Mapping[str, str]) -> dict[str, str]:
    """A Secret's data as text; what is no text is left out."""
    found: dict[str, str] = {}
    for key, value in data.items():
        try:
            found[key] = base64.b64decode(value).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            continue
    return found


def expired(data: Mapping[str, str], now: float) -> bool:
    """What cannot be read counts as past."""
    if not (text := data.get("expiration", "")):
        return False
    try:
        return parse_rfc3339(text) <= now
    except ValueError:
        return True


def _groups(text: str) -> tuple[str, ...] | None:
    """Groups in order of their names; None where one must not be given."""
    groups = sorted({each for each in text.split(",") if each})
    return tuple(groups) if all(_EXTRA_GROUP.fullmatch(each) for each in groups) else None
