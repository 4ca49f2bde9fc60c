"""Certificates for Pods: the node's key and request, and what can be read in requests and certificates.

A request here is a stub: it proves that the node has the key and says nothing else; who shall be certified stands in
the PodCertificateRequest around it (KEP-4317).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtensionOID

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_SIZES = (3072, 4096)
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_MAKERS: Mapping[str, Callable[[], Key]] = {
    "RSA3072": lambda: rsa.generate_private_key(65537, 3072),
    "RSA4096": lambda: rsa.generate_private_key(65537, 4096),
    "ECDSAP256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ECDSAP384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ECDSAP521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ED25519": ed25519.Ed25519PrivateKey.generate,
}


class Unreadable(ValueError):
    """What was given is not what it has to be; the text says why."""


class Stub(NamedTuple):
    """A key (PKCS #8, PEM) and the request that goes with it (PKCS #10, DER)."""

    key: bytes
    request: bytes


class Leaf(NamedTuple):
    """What matters of an issued certificate; times in wall-clock seconds, the key as SubjectPublicKeyInfo (DER)."""

    key: bytes
    not_before: float
    not_after: float
    dns_names: tuple[str, ...]


def stub(kind: str) -> Stub:
    """A new key of a kind such as `ECDSAP256`. Slow for RSA. Raises KeyError for kinds that do not exist."""
    key = _MAKERS[kind]()
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, algorithm)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Stub(key.private_bytes(*form), request.public_bytes(serialization.Encoding.DER))


def requested_key(request: bytes) -> bytes:
    """The key (SubjectPublicKeyInfo, DER) a request (DER) is for and signed with. Raises Unreadable."""
    try:
        found = x509.load_der_x509_csr(request)
        key, signed = found.public_key(), found.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise Unreadable("must be a valid PKCS#10 CSR") from error
    if not signed:
        raise Unreadable("could not verify the signature of the PKCS#10 CSR")
    if isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, _CURVES):
            raise Unreadable("elliptic public keys must use curve P256, P384, or P521")
    elif isinstance(key, rsa.RSAPublicKey):
        if key.key_size not in _SIZES:
            raise Unreadable("RSA keys must have modulus size 3072 or 4096")
    elif not isinstance(key, ed25519.Ed25519PublicKey):
        raise Unreadable("unknown public key type; supported types are Ed25519, ECDSA, and RSA")
    return _public(key)


def leaf_of(chain: bytes) -> Leaf:
    """The first certificate (PEM) of a chain, all of which can be read. Raises Unreadable."""
    blocks = list(_BLOCK.finditer(chain))
    if not blocks:
        raise Unreadable("issued certificate chain must contain at least one certificate")
    if any(block[1] != b"CERTIFICATE" for block in blocks):
        raise Unreadable("issued certificate chain must consist entirely of CERTIFICATE PEM blocks")
    found: list[Leaf] = []
    for block in blocks:
        try:
            found.append(_leaf(x509.load_pem_x509_certificate(block[0])))
        except (ValueError, UnsupportedAlgorithm) as error:
            which = "intermediate" if found else "leaf"
            raise Unreadable(f"{which} certificate does not parse as valid X.509") from error
    return found[0]


def clean(chain: bytes) -> bytes:
    """Nothing but the certificates."""
    return b"".join(block[0] + b"\n" for block in _BLOCK.finditer(chain) if block[1] == b"CERTIFICATE")


def _leaf(certificate: x509.Certificate) -> Leaf:
    try:
        extension = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    except x509.ExtensionNotFound:
        names: tuple[str, ...] = ()
    else:
        assert isinstance(extension.value, x509.SubjectAlternativeName)
        names = tuple(extension.value.get_values_for_type(x509.DNSName))
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return Leaf(_public(certificate.public_key()), begin.timestamp(), end.timestamp(), names)


def _public(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
