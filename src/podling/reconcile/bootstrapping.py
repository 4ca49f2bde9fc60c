"""Bootstrap tokens as their Secrets say them (Kubernetes documentation, "Authenticating with Bootstrap Tokens")."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec

from podling.api.objects import Object
from podling.env import parse_rfc3339

TYPE: Final = "bootstrap.kubernetes.io/token"
NAMESPACE: Final = "kube-system"
PREFIX: Final = "bootstrap-token-"


class BootstrapToken(msgspec.Struct, frozen=True):
    """`ends` in seconds, None for one without an end; what cannot be read is over."""

    id: str
    secret: str
    signing: bool
    ends: float | None


def is_token(found: Object) -> bool:
    return (
        found.head.namespace == NAMESPACE
        and found.head.name.startswith(PREFIX)
        and found.head.fields.get("type") == TYPE
    )


def token_of(found: Object) -> BootstrapToken:
    data = {key: _text(value) for key, value in (found.json().get("data") or {}).items()}
    ends = None
    if said := data.get("expiration"):
        try:
            ends = parse_rfc3339(said)
        except ValueError:
            ends = 0.0
    signing = data.get("usage-bootstrap-signing") == "true"
    return BootstrapToken(data.get("token-id", ""), data.get("token-secret", ""), signing, ends)


def _text(value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
