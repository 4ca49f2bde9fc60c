"""What a server is told at its start; values only, so that a test writes one down in a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from podling.apiserver.audit.policy import Policy
from podling.apiserver.audit.rotation import Limits as AuditLimits
from podling.apiserver.filters.requestheader import RequestHeaders
from podling.apiserver.message import User

AuthorizationMode = Literal["RBAC", "AlwaysAllow"]
VERSION = "v1.37.1"
ISSUER = "https://kubernetes.default.svc.cluster.local"


@dataclass(frozen=True, slots=True)
class Config:
    """Listeners, keys, ranges. A server without `token_key` issues and accepts no service account tokens."""

    tcp: tuple[tuple[str, int], ...] = ()
    """Addresses to listen on with TLS; port 0 takes a free one (see `ApiServer.addresses`)."""
    unix: Path | None = None
    """A Unix socket, TLS too."""
    certificate: bytes = b""
    """The serving certificate and its key, PEM."""
    key: bytes = b""
    renew: Callable[[], tuple[bytes, bytes]] | None = None
    """Makes a new serving certificate and its key, PEM, when the old one is nearly over; None: it is kept."""
    ca: bytes = b""
    """The authority (PEM) that client certificates are checked against and that Pods get as ca.crt."""
    token_key: bytes = b""
    """The private key (PEM) that signs service account tokens."""
    static_tokens: Mapping[str, User] = field(default_factory=dict)
    """Users by bearer token, from a file (`registry/statictokens.py`)."""
    requestheaders: RequestHeaders = field(default_factory=RequestHeaders)
    """Which front proxies may name users, and how."""
    issuer: str = ISSUER
    audiences: tuple[str, ...] = (ISSUER,)
    profile: str = "book"
    service_cidr: str = "10.96.0.0/12"
    node_ports: tuple[int, int] = (30000, 32767)
    kubernetes_service: bool = True
    """Keep the Service `kubernetes` in default."""
    server_port: int = 6443
    """The port behind the Service `kubernetes`."""
    authorization: AuthorizationMode = "RBAC"
    """RBAC with the Node authorizer, or AlwaysAllow: every authenticated user may do everything."""
    acting: frozenset[str] | None = None
    """The kinds a controller acts on, as `apps/ReplicaSet` or `/Pod`; None: no Warning is given for any."""
    audit: Policy | None = None
    """What the audit log tells; with `audit_log`."""
    audit_log: Path | None = None
    """The file it goes to."""
    audit_limits: AuditLimits = field(default_factory=AuditLimits)
    """When that file is put aside, and how many of those are kept for how long."""
    disabled_admission: frozenset[str] = frozenset()
    """Admission plugins to leave out, by upstream's names (`ServiceAccount`)."""
    mutating_in_flight: int = 1000
    """Writes at work at a time; more are asked to come again."""
    priority_classes: Mapping[str, int] = field(
        default_factory=lambda: {"system-node-critical": 2000001000, "system-cluster-critical": 2000000000}
    )
