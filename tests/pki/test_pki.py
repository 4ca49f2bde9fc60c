"""Certificates that TLS accepts, tokens that cannot be forged, kubeconfigs that keep what others wrote."""

import socket
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from podling.pki import kubeconfig
from podling.pki.ca import CertificateAuthority, KeyPair, new_signing_key
from podling.pki.tokens import InvalidToken, TokenSigner


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create("podling", time.time())


def test_a_client_certificate_is_accepted_over_tls_and_names_user_and_groups(authority, tmp_path):
    for name, pair in {
        "server": authority.serving("podling", ["podling", "127.0.0.1"], time.time()),
        "client": authority.client("kubernetes-admin", ["system:masters"], time.time()),
    }.items():
        (tmp_path / f"{name}.crt").write_bytes(pair.certificate)
        (tmp_path / f"{name}.key").write_bytes(pair.key)
    ca = authority.pair.certificate.decode()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=ca)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    client = ssl.create_default_context(cadata=ca)
    client.load_cert_chain(tmp_path / "client.crt", tmp_path / "client.key")
    ours, theirs = socket.socketpair()
    seen: list[bytes | None] = []

    def serve() -> None:
        with server.wrap_socket(theirs, server_side=True) as tls:
            seen.append(tls.getpeercert(binary_form=True))
            tls.sendall(b"x")

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(ours, server_hostname="127.0.0.1") as tls:
        assert tls.recv(1) == b"x"
    thread.join()
    subject = x509.load_der_x509_certificate(seen[0] or b"").subject.rfc4514_string()
    assert subject == "CN=kubernetes-admin,O=system:masters"


def test_a_token_comes_back_with_its_claims():
    signer = TokenSigner(new_signing_key())
    claims = {"sub": "system:serviceaccount:default:default", "exp": 1}
    assert signer.verifier.verify(signer.sign(claims)) == claims
    assert signer.verifier.jwks()["keys"][0]["kid"] == signer.verifier.key_id


@pytest.mark.parametrize("forge", ["other key", "changed claims", "no signature", "two parts", "alg none", "garbage"])
def test_a_forged_token_is_refused(forge):
    signer = TokenSigner(new_signing_key())
    token = signer.sign({"sub": "a"})
    head, body, signature = token.split(".")
    bad = {
        "other key": TokenSigner(new_signing_key()).sign({"sub": "a"}),
        "changed claims": f"{head}.{signer.sign({'sub': 'b'}).split('.')[1]}.{signature}",
        "no signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "alg none": f"eyJhbGciOiJub25lIn0.{body}.{signature}",
        "garbage": "\udcff.é.!",
    }[forge]
    with pytest.raises(InvalidToken):
        signer.verifier.verify(bad)


def test_a_kubeconfig_keeps_the_contexts_of_others_and_forgets_only_its_own():
    mine = kubeconfig.cluster_config("podling", "https://127.77.0.1:6443", b"ca", KeyPair(b"c", b"k"))
    theirs = kubeconfig.cluster_config("prod", "https://prod.example", b"ca", KeyPair(b"c", b"k"))
    both = kubeconfig.merged(theirs, mine)
    assert both["current-context"] == "podling"
    assert [entry["name"] for entry in both["contexts"]] == ["prod", "podling"]
    again = kubeconfig.merged(both, mine)
    assert again == both
    left = kubeconfig.without(both, "podling")
    assert left == theirs
    assert not kubeconfig.is_empty(left)
    assert kubeconfig.is_empty(kubeconfig.without(left, "prod"))


def test_a_key_of_rsa_signs_tokens_too() -> None:
    key = rsa.generate_private_key(65537, 2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    signer = TokenSigner(key.private_bytes(*form))
    token = signer.sign({"sub": "x"})
    assert signer.verifier.verify(token) == {"sub": "x"}
    (shown,) = signer.verifier.jwks()["keys"]
    assert (shown["kty"], shown["alg"], shown["e"]) == ("RSA", "RS256", "AQAB")
    with pytest.raises(InvalidToken, match="not signed with RS256"):
        signer.verifier.verify(TokenSigner(new_signing_key()).sign({}))
