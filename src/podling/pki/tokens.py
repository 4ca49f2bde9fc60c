"""Service account tokens: JSON Web Tokens signed with ES256, or RS256 where a key is RSA's (RFC 7515, 7518, 7519).

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
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
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
        """Raises ValueError for a key of another kind."""
        key = serialization.load_pem_public_key(public_key)
        if isinstance(key, ec.EllipticCurvePublicKey):
            self.algorithm = "ES256"
        elif isinstance(key, rsa.RSAPublicKey):
            self.algorithm = "RS256"
        else:
            raise ValueError("the token key is neither an elliptic curve key nor RSA's")
        self._public = key
        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.key_id = _encode(hashlib.sha256(der).digest()).decode()

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token this cluster signed. Raises InvalidToken."""
        parts = token.encode("utf-8", "replace").split(b".")
        if len(parts) != 3:
            raise InvalidToken("the token does not have three parts")
        header, claims = (self._json(part) for part in parts[:2])
        if header.get("alg") != self.algorithm:
            raise InvalidToken(f"the token is not signed with {self.algorithm}")
        try:
            self._check(_decode(parts[2]), parts[0] + b"." + parts[1])
        except InvalidSignature as error:
            raise InvalidToken("the signature does not fit") from error
        return claims

    def _check(self, signature: bytes, message: bytes) -> None:
        """Raises InvalidSignature, InvalidToken."""
        if isinstance(self._public, rsa.RSAPublicKey):
            self._public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
            return
        if len(signature) != 2 * _SIZE:
            raise InvalidToken("the signature has a wrong length")
        numbers = (int.from_bytes(signature[:_SIZE], "big"), int.from_bytes(signature[_SIZE:], "big"))
        self._public.verify(encode_dss_signature(*numbers), message, _ES256)

    def jwks(self) -> dict[str, Any]:
        """The issuer's JSON Web Key Set."""
        if isinstance(self._public, rsa.RSAPublicKey):
            of_rsa = self._public.public_numbers()
            shape = {"kty": "RSA", "n": _number(of_rsa.n), "e": _number(of_rsa.e)}
        else:
            numbers = self._public.public_numbers()
            shape = {"kty": "EC", "crv": "P-256", "x": _number(numbers.x, _SIZE), "y": _number(numbers.y, _SIZE)}
        return {"keys": [{"use": "sig", "kid": self.key_id, "alg": self.algorithm, **shape}]}

    @staticmethod
    def _json(part: bytes) -> dict[str, Any]:
        try:
            return msgspec.json.decode(_decode(part), type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidToken("the token is not JSON") from error


class TokenSigner:
    """Signs tokens; `verifier` checks them."""

    def __init__(self, private_key: bytes) -> None:
        """Raises ValueError for a key of another kind."""
        key = serialization.load_pem_private_key(private_key, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise ValueError("the token key is neither an elliptic curve key nor RSA's")
        self._key = key
        self.verifier = TokenVerifier(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )

    def sign(self, claims: Mapping[str, Any]) -> str:
        header = msgspec.json.encode({"alg": self.verifier.algorithm, "kid": self.verifier.key_id})
        message = _encode(header) + b"." + _encode(msgspec.json.encode(claims))
        return (message + b"." + _encode(self._signature(message))).decode()

    def _signature(self, message: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self._key.sign(message, _ES256))
        return r.to_bytes(_SIZE, "big") + s.to_bytes(_SIZE, "big")


def _number(value: int, size: int = 0) -> str:
    return _encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big")).decode()
