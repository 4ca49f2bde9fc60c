"""A signer of certificates for Pods, as tests bring one: Kubernetes has none of its own."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from podling.env import rfc3339

Json = dict[str, Any]
PATH = "spiffe/path-overriding"
"""The annotation by which a Pod asks this signer for a path of its own."""


class PodSigner:
    """Certifies SPIFFE identities, for as long as a request allows; `now` is wall-clock seconds."""

    def __init__(self, now: float) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a signer of tests")])
        start = datetime.fromtimestamp(int(now), UTC) - timedelta(hours=1)
        built = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.anchor = built.public_bytes(serialization.Encoding.PEM).decode()

    def issued(self, request: Json, now: float) -> Json:
        """The status of an answered PodCertificateRequest."""
        spec = request["spec"]
        wanted = x509.load_der_x509_csr(base64.b64decode(spec["stubPKCS10Request"]))
        begin = datetime.fromtimestamp(int(now), UTC) - timedelta(minutes=2)
        end = begin + timedelta(seconds=spec["maxExpirationSeconds"])
        path = f"/ns/{request['metadata']['namespace']}/sa/{spec['serviceAccountName']}"
        identity = f"spiffe://cluster.local{(spec.get('unverifiedUserAnnotations') or {}).get(PATH, path)}"
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        built = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self._name)
            .public_key(wanted.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return {
            "conditions": [answered("Issued", now)],
            "certificateChain": built.public_bytes(serialization.Encoding.PEM).decode(),
            "notBefore": rfc3339(begin.timestamp()),
            "notAfter": rfc3339(end.timestamp()),
            "beginRefreshAt": rfc3339((end - timedelta(minutes=15)).timestamp()),
        }


def answered(kind: str, now: float, reason: str = "TestSays", message: str = "") -> Json:
    """The condition that ends a request."""
    when = rfc3339(now)
    return {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": when}
