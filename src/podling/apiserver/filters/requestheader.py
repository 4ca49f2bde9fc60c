"""Users that a front proxy vouches for: it shows a certificate of its own authority and names the user in headers.

Whoever holds a key of that authority and has one of the allowed names can be anybody, so it is another authority than
that of client certificates, and a name of the cluster's own users is worth nothing there (Kubernetes documentation,
"Authenticating", authenticating proxy).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from podling.apiserver.message import Request, User

AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
SEPARATOR = "\n"
"""Between the values of a repeated header that names a user or a group, which may hold anything else."""


@dataclass(frozen=True, slots=True)
class RequestHeaders:
    """Which headers say what, in lower case; the first of a list that is there counts."""

    authority: bytes = b""
    """PEM of authorities beside the server's own."""
    allowed: tuple[str, ...] = ()
    """Common names of proxies; empty: any that the authority certified."""
    users: tuple[str, ...] = ("x-remote-user",)
    uids: tuple[str, ...] = ("x-remote-uid",)
    groups: tuple[str, ...] = ("x-remote-group",)
    extra: tuple[str, ...] = ("x-remote-extra-",)


class ProxyUser(User, frozen=True):
    """The peer of a connection that a front proxy made: nobody until the headers of a request say who."""


class FrontProxies:
    """`own` is the authority that this server's own proxy certificate is of, and `name` the name in that."""

    def __init__(self, settings: RequestHeaders, own: bytes, name: str) -> None:
        self.settings = settings
        self.authority = own + b"\n" + settings.authority if settings.authority else own
        self.allowed = (*settings.allowed, name) if settings.allowed or not settings.authority else ()
        self._subjects = frozenset(_subjects(self.authority))

    def of(self, peer: Any, encoded: bytes | None) -> ProxyUser | None:
        """The proxy that a peer's certificate (`getpeercert()`, and as DER) is of; None for any other."""
        if not peer or encoded is None or peer.get("issuer") not in self._subjects:
            return None
        # A name is easily taken: what counts is the signature.
        if not self._signed(encoded):
            return None
        names = [value for relative in peer.get("subject", ()) for key, value in relative if key == "commonName"]
        return ProxyUser(names[-1] if names else "")

    def user(self, proxy: ProxyUser, request: Request) -> User | None:
        """Whom the headers name; None where they name nobody, or the proxy is none of those that may."""
        if self.allowed and proxy.name not in self.allowed:
            return None
        said, headers = self.settings, request.headers
        name = next((headers[each] for each in said.users if headers.get(each)), "")
        if not name:
            return None
        groups = tuple(_values(headers, said.groups))
        if AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
            groups = (*groups, AUTHENTICATED)
        uid = next((headers[each] for each in said.uids if headers.get(each)), "")
        extra = {key: tuple(values.split(SEPARATOR)) for key, values in _extra(headers, said.extra)}
        return User(name.partition(SEPARATOR)[0], groups, uid, extra)

    def _signed(self, encoded: bytes) -> bool:
        # Here, because a server without proxies in front need not load it.
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature

        certificate = x509.load_der_x509_certificate(encoded)
        for authority in x509.load_pem_x509_certificates(self.authority):
            try:
                certificate.verify_directly_issued_by(authority)
            except (ValueError, TypeError, InvalidSignature):
                continue
            return True
        return False


def _subjects(authority: bytes) -> Iterator[Any]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cadata=authority.decode())
    for each in context.get_ca_certs():
        yield each["subject"]


def _values(headers: Mapping[str, str], names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        yield from filter(None, headers.get(name, "").split(SEPARATOR))


def _extra(headers: Mapping[str, str], prefixes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name, values in headers.items():
        for prefix in prefixes:
            if name.startswith(prefix):
                yield unquote(name.removeprefix(prefix)).lower(), values
                break
