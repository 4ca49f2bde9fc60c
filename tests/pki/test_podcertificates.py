"""Keys and requests for the certificates of Pods, and what is read in them."""

from __future__ import annotations

import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from podling.pki import podcertificates
from podling.pki.ca import CertificateAuthority

DER, SPKI = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo


@pytest.mark.parametrize("kind", ["RSA3072", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"])
def test_a_stub_is_a_key_and_the_request_signed_with_it(kind: str) -> None:
    stub = podcertificates.stub(kind)
    assert stub.key.startswith(b"-----BEGIN PRIVATE KEY-----")
    key = serialization.load_pem_private_key(stub.key, None)
    assert podcertificates.requested_key(stub.request) == key.public_key().public_bytes(DER, SPKI)


def test_there_are_no_other_kinds_of_keys() -> None:
    with pytest.raises(KeyError):
        podcertificates.stub("RSA2048")


def test_a_request_has_to_be_one_and_of_a_key_that_counts() -> None:
    small = rsa.generate_private_key(65537, 2048)
    odd = ec.generate_private_key(ec.SECP256K1())
    for key, why in ((small, "modulus size 3072 or 4096"), (odd, "must use curve P256")):
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        with pytest.raises(podcertificates.Unreadable, match=why):
            podcertificates.requested_key(request.public_bytes(DER))
    for garbage in (b"", b"nonsense", podcertificates.stub("ED25519").request[:-1]):
        with pytest.raises(podcertificates.Unreadable, match="must be a valid PKCS#10 CSR"):
            podcertificates.requested_key(garbage)
    broken = bytearray(podcertificates.stub("ED25519").request)
    broken[-1] ^= 1
    with pytest.raises(podcertificates.Unreadable, match="could not verify"):
        podcertificates.requested_key(bytes(broken))


def test_the_first_of_a_chain_is_the_leaf_and_text_between_is_dropped() -> None:
    now = float(int(time.time()))
    authority = CertificateAuthority.create("any", now)
    leaf = authority.serving("web", ["web.default.svc"], now)
    found = podcertificates.leaf_of(b"hello\n" + leaf.certificate + authority.pair.certificate)
    assert found.dns_names == ("web.default.svc",)
    assert found.not_before < now < found.not_after
    assert podcertificates.clean(b"hello\n" + leaf.certificate + b"again\n") == leaf.certificate


@pytest.mark.parametrize(
    ("chain", "why"),
    [
        (b"", "must contain at least one certificate"),
        (podcertificates.stub("ED25519").key, "must consist entirely of CERTIFICATE PEM blocks"),
        (b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", "leaf certificate does not parse"),
    ],
)
def test_a_chain_is_certificates_and_nothing_else(chain: bytes, why: str) -> None:
    with pytest.raises(podcertificates.Unreadable, match=why):
        podcertificates.leaf_of(chain)
