"""The server's TLS: its certificate, and client certificates where a client has one.

`CERT_OPTIONAL`: a client without a certificate may still bring a token; one with a bad certificate is refused by TLS.
"""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from podling.apiserver.config import Config


def server_context(config: Config) -> ssl.SSLContext:
    """A context for all listeners of one server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=config.ca.decode())
    context.set_alpn_protocols(["http/1.1"])
    # Tickets would let a session outlive the check of its certificate, and cost a write each handshake.
    context.num_tickets = 0
    # The client chooses: Go prefers AES-128, a fifth cheaper than the AES-256 that OpenSSL would insist on.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    load_certificate(context, config.certificate, config.key)
    return context


def load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Also on a live context: new connections get the new certificate. `ssl` reads files only."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "serving.pem"
        path.touch(mode=0o600)
        path.write_bytes(certificate + b"\n" + key)
        context.load_cert_chain(path)
