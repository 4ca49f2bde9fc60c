"""The keys of a server that lives as long as a test: made in memory, written only when asked for."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from podling.env import Env
from podling.pki.ca import CertificateAuthority, KeyPair, new_signing_key
from podling.pki.kubeconfig import cluster_config
from podling.pki.requests import RequestSigner

ADMIN, ADMIN_GROUPS = "kubernetes-admin", ("system:masters",)
SERVING_NAMES = (
    "podling",
    "localhost",
    "127.0.0.1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


class Credentials:
    """An authority of its own for every server, so that no other server of the process knows its users."""

    def __init__(self, env: Env, name: str) -> None:
        self._env, self._name = env, name
        self._authority = CertificateAuthority.create(name, env.now())
        self.serving = self._authority.serving("podling", SERVING_NAMES, env.now())
        self.token_key = new_signing_key()

    @property
    def ca(self) -> bytes:
        """The authority's certificate, PEM."""
        return self._authority.pair.certificate

    def sign(self, request: bytes, usages: Collection[str], seconds: int, now: float) -> bytes:
        """For the controller that signs requests."""
        return RequestSigner(self._authority).sign(request, usages, seconds, now)

    def client(self, user: str, groups: Sequence[str]) -> KeyPair:
        return self._authority.client(user, groups, self._env.now())

    def kubeconfig(self, url: str, user: str, groups: Sequence[str]) -> str:
        """JSON, which is YAML, which every client reads."""
        config = cluster_config(self._name, url, self.ca, self.client(user, groups))
        return json.dumps(config, indent=2) + "\n"
