"""Certificate signing requests (PKCS #10): what they ask for, and the certificate an authority makes of one.

Which request may be signed is the controllers' business; here it is read and signed (RFC 2986, RFC 5280).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .ca import CertificateAuthority

BACKDATE = timedelta(minutes=5)
MARKER = b"-----BEGIN CERTIFICATE REQUEST-----"
KEY_USAGES = (
    "signing",
    "digital signature",
    "content commitment",
    "key encipherment",
    "key agreement",
    "data encipherment",
    "cert sign",
    "crl sign",
    "encipher only",
    "decipher only",
)
EXTENDED_USAGES = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft sgc": x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": x509.ObjectIdentifier("2.16.840.1.113730.4.1"),
}


class BadRequest(ValueError):
    """The text is no request, or nobody proved to have its key; says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for."""

    common_name: str
    organizations: tuple[str, ...]
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()


def read(pem: bytes) -> Wanted:
    """Raises BadRequest."""
    request = _load(pem)
    names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    organizations = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    san = _alternative_names(request)
    return Wanted(
        common_name=str(names[0].value) if names else "",
        organizations=tuple(str(each.value) for each in organizations),
        dns_names=tuple(san.get_values_for_type(x509.DNSName)) if san else (),
        addresses=tuple(str(each) for each in san.get_values_for_type(x509.IPAddress)) if san else (),
        emails=tuple(san.get_values_for_type(x509.RFC822Name)) if san else (),
        uris=tuple(san.get_values_for_type(x509.UniformResourceIdentifier)) if san else (),
    )


class RequestSigner:
    """An authority that signs what others ask for."""

    def __init__(self, authority: CertificateAuthority) -> None:
        pair = authority.pair
        self._certificate = x509.load_pem_x509_certificate(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the authority's key is not an elliptic curve key")
        self._key = key

    def sign(self, pem: bytes, usages: Collection[str], seconds: int, now: float) -> bytes:
        """The certificate (PEM), valid from five minutes ago for `seconds`, never longer than the authority itself.
        Raises BadRequest."""
        request = _load(pem)
        start = datetime.fromtimestamp(int(now), UTC)
        end = min(start + timedelta(seconds=seconds), self._certificate.not_valid_after_utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self._certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start - BACKDATE)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(usages), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if extended := [EXTENDED_USAGES[each] for each in usages if each in EXTENDED_USAGES]:
            builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
        if san := _alternative_names(request):
            builder = builder.add_extension(san, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def expiry(pem: bytes) -> float:
    """When a certificate ends, in seconds. Raises ValueError."""
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()


def is_certificates(pem: bytes) -> bool:
    """Whether the text is one or more certificates and nothing else that looks like PEM."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        return False
    return pem.count(b"-----BEGIN ") == len(found)


def _load(pem: bytes) -> x509.CertificateSigningRequest:
    """Everything in it can be read from here on."""
    if MARKER not in pem:
        raise BadRequest("PEM block type must be CERTIFICATE REQUEST")
    try:
        request = x509.load_pem_x509_csr(pem)
        valid = request.is_signature_valid
        request.public_key()
        str(request.subject)
        str(request.extensions)
    except (ValueError, UnsupportedAlgorithm, InvalidSignature, x509.DuplicateExtension) as error:
        raise BadRequest(str(error)) from error
    if not valid:
        raise BadRequest("the request's signature does not fit its key")
    return request


def _alternative_names(request: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | None:
    try:
        return request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _key_usage(usages: Collection[str]) -> x509.KeyUsage:
    agreement = "key agreement" in usages
    return x509.KeyUsage(
        digital_signature="digital signature" in usages or "signing" in usages,
        content_commitment="content commitment" in usages,
        key_encipherment="key encipherment" in usages,
        data_encipherment="data encipherment" in usages,
        key_agreement=agreement,
        key_cert_sign="cert sign" in usages,
        crl_sign="crl sign" in usages,
        encipher_only=agreement and "encipher only" in usages,
        decipher_only=agreement and "decipher only" in usages,
    )
