"""Service account tokens: JSON Web Tokens signed with ES256 (RFC 7515, 7518, 7519).

Signature checks are the only cryptography here; what the claims mean (bound objects, audiences, expiry against the
cluster's clock) is the authenticator's business in `apiserver/authentication`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

_SIZE = 32  # bytes of each number of a P-256 signature
_ES256 = ec.ECDSA(hashes.SHA256())


class InvalidToken(Exception):
    """Not a token of this cluster; the text says why."""


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise InvalidToken("the token is not base64url") from error


class TokenVerifier:
    """Checks signatures with the public half; `key_id` names it in the header and in the issuer's key set."""

    def __init__(self, public_key: bytes) -> None:
        key = serialization.load_pem_public_key(public_key)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError("the token key is not an elliptic curve key")
        self._public = key
        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.key_id = _encode(hashlib.sha256(der).digest()).decode()

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token this cluster signed. Raises InvalidToken."""
        parts = token.encode("utf-8", "replace").split(b".")
        if len(parts) != 3:
            raise InvalidToken("the token does not have three parts")
        header, claims = (self._json(part) for part in parts[:2])
        if header.get("alg") != "ES256":
            raise InvalidToken("the token is not signed with ES256")
        signature = _decode(parts[2])
        if len(signature) != 2 * _SIZE:
            raise InvalidToken("the signature has a wrong length")
        numbers = (int.from_bytes(signature[:_SIZE], "big"), int.from_bytes(signature[_SIZE:], "big"))
        try:
            self._public.verify(encode_dss_signature(*numbers), parts[0] + b"." + parts[1], _ES256)
        except InvalidSignature as error:
            raise InvalidToken("the signature does not fit") from error
        return claims

    def jwks(self) -> dict[str, Any]:
        """The issuer's JSON Web Key Set."""
        numbers = self._public.public_numbers()
        x, y = (_encode(n.to_bytes(_SIZE, "big")).decode() for n in (numbers.x, numbers.y))
        key = {"use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256", "x": x, "y": y}
        return {"keys": [key]}

    @staticmethod
    def _json(part: bytes) -> dict[str, Any]:
        try:
            return msgspec.json.decode(_decode(part), type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidToken("the token is not JSON") from error


class TokenSigner:
    """Signs tokens; `verifier` checks them."""

    def __init__(self, private_key: bytes) -> None:
        key = serialization.load_pem_private_key(private_key, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the token key is not an elliptic curve key")
        self._key = key
        self.verifier = TokenVerifier(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )

    def sign(self, claims: Mapping[str, Any]) -> str:
        header = msgspec.json.encode({"alg": "ES256", "kid": self.verifier.key_id})
        message = _encode(header) + b"." + _encode(msgspec.json.encode(claims))
        r, s = decode_dss_signature(self._key.sign(message, _ES256))
        return (message + b"." + _encode(r.to_bytes(_SIZE, "big") + s.to_bytes(_SIZE, "big"))).decode()
