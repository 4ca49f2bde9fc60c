"""Which credentials a Pod's imagePullSecrets hold for an image: pure.

A secret is a Docker configuration; its keys name registries, also with `*` for a part of the host and with a path that
narrows them down. Of several that fit the most exact comes first, and all of them are tried (Kubernetes documentation,
"Images": interpretation of config.json).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from podling.api.kinds.core.secret import Secret
from podling.runtime.images.names import DEFAULT_DOMAIN, InvalidName, parse

_KEYS = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}
_HUB = ("index.docker.io", "registry-1.docker.io")


def logins(secrets: Iterable[Secret], image: str) -> tuple[str, ...]:
    """`user:password` of all entries that fit, the best first. What cannot be read is passed over."""
    try:
        wanted = parse(image)
    except InvalidName:
        return ()
    entries = [entry for secret in secrets for entry in _entries(secret)]
    fitting = [(place, login) for place, login in entries if _fits(place, wanted.domain, wanted.path)]
    fitting.sort(key=lambda found: found[0], reverse=True)
    return tuple(dict.fromkeys(login for _, login in fitting))


def _entries(secret: Secret) -> Iterator[tuple[str, str]]:
    """(host with port and path, login)."""
    try:
        text = base64.b64decode(secret.data.get(_KEYS.get(secret.type, ""), ""))
        found = msgspec.json.decode(text, type=dict[str, Any]) if text else {}
    except (binascii.Error, msgspec.DecodeError):
        return
    auths = found.get("auths") if secret.type.endswith("json") else found
    for registry, entry in auths.items() if isinstance(auths, Mapping) else ():
        if isinstance(entry, Mapping) and (login := _login(entry)):
            yield _place(registry), login


def _login(entry: Mapping[str, Any]) -> str:
    if entry.get("username") and entry.get("password"):
        return f"{entry['username']}:{entry['password']}"
    try:
        return base64.b64decode(str(entry.get("auth", ""))).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _place(registry: str) -> str:
    """`https://index.docker.io/v1/` is `docker.io`."""
    host, _, path = registry.removeprefix("https://").removeprefix("http://").strip("/").partition("/")
    path = "" if path in ("v1", "v2") else path
    return f"{DEFAULT_DOMAIN if host in _HUB else host}/{path}".rstrip("/")


def _fits(place: str, domain: str, path: str) -> bool:
    host, _, prefix = place.partition("/")
    ours, theirs = host.split("."), domain.split(".")
    same = len(ours) == len(theirs) and all(map(fnmatchcase, theirs, ours))
    return same and path.startswith(prefix)
