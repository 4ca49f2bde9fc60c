"""The cluster's certificate authority and the certificates it signs.

Keys are ECDSA P-256: a handshake costs half of RSA's and a key is made in a millisecond. As in Kubernetes, a client
certificate's common name is the user and its organizations are the groups (Kubernetes documentation,
"PKI certificates and requirements").
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS, LEAF_DAYS = 3650, 365
_BACKDATE = timedelta(minutes=5)  # other clocks may be a little behind


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(common_name: str, organizations: Sequence[str]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    def one(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    return x509.SubjectAlternativeName([one(name) for name in names])


class CertificateAuthority:
    """Signs for one cluster. `now` is wall-clock seconds, handed in with each signature."""

    def __init__(self, pair: KeyPair) -> None:
        self.pair = pair
        self._certificate = x509.load_pem_x509_certificate(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the authority's key is not an elliptic curve key")
        self._key = key

    @classmethod
    def create(cls, cluster: str, now: float) -> CertificateAuthority:
        # A name no leaf has: a leaf whose subject equals its issuer would pass for self-signed.
        name = f"{cluster}-ca"
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(True, False, True, False, False, True, True, False, False)
        builder = _builder(_name(name, ()), _name(name, ()), key, now, CA_DAYS)
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(KeyPair(certificate.public_bytes(serialization.Encoding.PEM), _private_pem(key)))

    def serving(self, common_name: str, names: Sequence[str], now: float) -> KeyPair:
        """A server certificate for DNS names and addresses."""
        return self._leaf(common_name, (), now, ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, user: str, groups: Sequence[str], now: float) -> KeyPair:
        """A client certificate: the user is the common name, the groups are organizations."""
        return self._leaf(user, groups, now, ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def _leaf(
        self, name: str, groups: Sequence[str], now: float, usage: x509.ObjectIdentifier, names: Sequence[str]
    ) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            _builder(_name(name, groups), self._certificate.subject, key, now, LEAF_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(authority, critical=False)
        )
        if names:
            builder = builder.add_extension(_alternative_names(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return KeyPair(certificate.public_bytes(serialization.Encoding.PEM), _private_pem(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: float, days: int
) -> x509.CertificateBuilder:
    start = datetime.fromtimestamp(int(now), UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - _BACKDATE)
        .not_valid_after(start + timedelta(days=days))
    )


def new_signing_key() -> bytes:
    """A private key (PEM) for service account tokens."""
    return _private_pem(ec.generate_private_key(ec.SECP256R1()))
