"""The keys and certificates of a cluster, made once, renewed when a year is nearly over."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from podling.pki.ca import CertificateAuthority, KeyPair, new_signing_key
from podling.pki.kubeconfig import cluster_config

from .kubeconfigs import write_private
from .nodespec import MOST_NODES, NodeSpec
from .paths import ClusterPaths
from .spec import CLUSTER_DOMAIN, KUBERNETES_IP, ClusterSpec

TOKENS = "tokens.csv"
NETWORKS = "podling:node-networks"
"""The group of what enforces network policies on nodes."""
RENEW_AFTER = 300 * 86400.0
"""Leaves are valid for a year; a start after this age makes new ones."""


def serving_names(spec: ClusterSpec) -> tuple[str, ...]:
    """Every name and address under which a client may meet the API."""
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{CLUSTER_DOMAIN}")
    # Also of nodes that may come while the server runs: their addresses are endpoints of the Service `kubernetes`.
    numbers = sorted({*range(1, MOST_NODES + 1), *spec.numbers})
    nodes = [NodeSpec(spec.name, spec.number, number).internal_address for number in numbers]
    addresses = (spec.api_address, spec.first.host_address, *nodes, KUBERNETES_IP, "127.0.0.1")
    return ("podling", "localhost", *service, *addresses)


def ensure(paths: ClusterPaths, spec: ClusterSpec, now: float) -> None:
    """Everything below `paths.pki`, the nodes' certificates and the administrator's kubeconfig are there and fresh."""
    authority = _authority(paths, spec, now)
    if not (paths.pki / "sa.key").exists():
        write_private(paths.pki / "sa.key", new_signing_key())
    _leaf(
        paths.pki / "apiserver.crt",
        paths.pki / "apiserver.key",
        now,
        lambda: authority.serving("podling", serving_names(spec), now),
    )
    for each in spec.nodes:
        _node_leaf(paths, authority, each.name, now)
    if _stale(paths.kubeconfig, now):
        _write_admin(paths, spec, authority, now)


def _node_leaf(paths: ClusterPaths, authority: CertificateAuthority, name: str, now: float) -> None:
    node = paths.node(name)
    _leaf(node.certificate, node.key, now, lambda: authority.client(f"system:node:{name}", ["system:nodes"], now))
    # Network policies go by all Pods, of which the node itself may read its own only.
    user, groups = f"{NETWORKS}:{name}", [NETWORKS]
    _leaf(node.network_certificate, node.network_key, now, lambda: authority.client(user, groups, now))


def renew_serving(paths: ClusterPaths, spec: ClusterSpec, now: float) -> tuple[bytes, bytes]:
    """A new serving certificate and its key, kept for the next start: for a server that runs for a year."""
    pair = _authority(paths, spec, now).serving("podling", serving_names(spec), now)
    write_private(paths.pki / "apiserver.key", pair.key)
    write_private(paths.pki / "apiserver.crt", pair.certificate)
    return pair.certificate, pair.key


def keep_tokens(paths: ClusterPaths, text: str) -> None:
    """For every start from now on."""
    write_private(paths.pki / TOKENS, text.encode())


def forget_addresses(paths: ClusterPaths) -> None:
    """The cluster has new addresses: what names the old ones is made again by the next `ensure`."""
    for file in (paths.pki / "apiserver.crt", paths.kubeconfig):
        file.unlink(missing_ok=True)


def _authority(paths: ClusterPaths, spec: ClusterSpec, now: float) -> CertificateAuthority:
    certificate, key = paths.pki / "ca.crt", paths.pki / "ca.key"
    if certificate.exists() and key.exists():
        return CertificateAuthority(KeyPair(certificate.read_bytes(), key.read_bytes()))
    authority = CertificateAuthority.create(spec.name, now)
    write_private(key, authority.pair.key)
    write_private(certificate, authority.pair.certificate)
    return authority


def _write_admin(paths: ClusterPaths, spec: ClusterSpec, authority: CertificateAuthority, now: float) -> None:
    import yaml  # 20 ms that only a new cluster pays

    user = authority.client("kubernetes-admin", ["system:masters"], now)
    config = cluster_config(spec.name, spec.api_url, authority.pair.certificate, user)
    write_private(paths.kubeconfig, yaml.safe_dump(config, sort_keys=False).encode())


def _leaf(certificate: Path, key: Path, now: float, make: Callable[[], KeyPair]) -> None:
    if _stale(certificate, now) or not key.exists():
        pair = make()
        write_private(key, pair.key)
        write_private(certificate, pair.certificate)


def _stale(file: Path, now: float) -> bool:
    try:
        return now - os.stat(file).st_mtime > RENEW_AFTER
    except FileNotFoundError:
        return True
