"""The server's TLS: its certificate, and client certificates where a client has one.

`CERT_OPTIONAL`: a client without a certificate may still bring a token; one with a bad certificate is refused by TLS.
The serving certificate renews itself when four fifths of its life are over; connections that stand keep the old one.
"""

from __future__ import annotations

import logging
import ssl
import tempfile
from pathlib import Path

from podling.apiserver.config import Config
from podling.env import Env

LOOK_EVERY = 3600.0
"""Seconds; a machine that slept through the day of renewal renews within an hour."""

log = logging.getLogger(__name__)


def server_context(config: Config, proxies: bytes = b"") -> ssl.SSLContext:
    """A context for all listeners of one server; `proxies` are authorities (PEM) of front proxies."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=config.ca.decode())
    if proxies:
        context.load_verify_locations(cadata=proxies.decode())
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


async def keep_certificate(context: ssl.SSLContext, config: Config, env: Env) -> None:
    """Renews the certificate of a live context in time, for ever."""
    assert config.renew is not None
    due = renewal(config.certificate)
    while True:
        if env.now() >= due:
            certificate, key = config.renew()
            load_certificate(context, certificate, key)
            due = renewal(certificate)
            log.info("the serving certificate was renewed")
        await env.sleep(LOOK_EVERY)


def renewal(certificate: bytes) -> float:
    """When a certificate (PEM) is to be renewed, in seconds since the epoch."""
    from cryptography import x509  # here, because a server that renews nothing need not load it

    found = x509.load_pem_x509_certificate(certificate)
    begin, end = found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()
    return begin + (end - begin) * 0.8
