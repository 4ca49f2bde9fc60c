"""Certificate requests: what is read of them, what is signed, and that no bytes whatever break the reader."""

from __future__ import annotations

import base64
import time
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from podling.pki.ca import CertificateAuthority
from podling.pki.requests import BadRequest, RequestSigner, is_certificates, read
from tests.pki.wishes import request_of

AUTHORITY = CertificateAuthority.create("test", time.time())
GOOD = base64.b64decode(request_of("jane", ["devs"]))
DER = base64.b64decode(b"".join(GOOD.splitlines()[1:-1]))


def pem(der: bytes) -> bytes:
    begin, end = (f"-----{word} CERTIFICATE REQUEST-----\n".encode() for word in ("BEGIN", "END"))
    return begin + base64.encodebytes(der) + end


def test_a_request_says_who_it_is_for() -> None:
    found = read(GOOD)
    assert (found.common_name, found.organizations, found.dns_names) == ("jane", ("devs",), ())


def test_a_certificate_has_the_usages_that_were_asked_for() -> None:
    now = time.time()
    signed = RequestSigner(AUTHORITY).sign(GOOD, ("client auth", "key encipherment"), 600, now)
    found = x509.load_pem_x509_certificate(signed)
    usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_encipherment, usage.digital_signature) == (True, False)
    extended = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_nothing_lives_longer_than_its_authority() -> None:
    signed = RequestSigner(AUTHORITY).sign(GOOD, ("client auth",), 100 * 365 * 86400, time.time())
    authority = x509.load_pem_x509_certificate(AUTHORITY.pair.certificate)
    assert x509.load_pem_x509_certificate(signed).not_valid_after_utc == authority.not_valid_after_utc


def test_a_request_whose_key_nobody_has_is_refused() -> None:
    with pytest.raises(BadRequest):
        read(pem(DER[:-1] + bytes([DER[-1] ^ 1])))


def test_only_certificates_are_certificates() -> None:
    certificate = AUTHORITY.pair.certificate
    assert is_certificates(certificate) and is_certificates(certificate * 2)
    assert (
        not is_certificates(b"") and not is_certificates(certificate + AUTHORITY.pair.key) and not is_certificates(GOOD)
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(DER) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_bytes_that_are_no_request_are_told_so_and_nothing_else(changes: list[tuple[int, int]]) -> None:
    mutated = bytearray(DER)
    for at, value in changes:
        mutated[at] = value
    with suppress(BadRequest):
        read(pem(bytes(mutated)))
