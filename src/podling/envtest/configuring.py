"""From upstream's flags to the configuration of our API server: files are read here, decisions are in the values."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path

from podling.apiserver.config import AuthorizationMode, Config
from podling.apiserver.filters.requestheader import RequestHeaders
from podling.apiserver.message import User
from podling.apiserver.registry.statictokens import parse as parse_tokens
from podling.env import Env
from podling.envtest.flags import FlagError, Given
from podling.pki.ca import CertificateAuthority, KeyPair, new_signing_key

DEFAULT_CIDR = "10.0.0.0/24"
DEFAULT_ISSUER = "https://kubernetes.default.svc.cluster.local"
CERTIFICATE, KEY = "apiserver.crt", "apiserver.key"


def config_of(given: Given, env: Env) -> Config:
    """Raises FlagError for what cannot be, OSError for a file that cannot be read."""
    host = given.get("bind-address", "127.0.0.1")
    serving = _serving(given, env, host)
    authorities = given.get("client-ca-file")
    # Without an authority no client certificate is valid: one that has signed none says the same.
    ca = Path(authorities).read_bytes() if authorities else _authority_of_nobody(env)
    issuer = (given.listed("service-account-issuer") or (DEFAULT_ISSUER,))[0]
    port = given.number("secure-port", 6443)
    return Config(
        tcp=((host, port),),
        certificate=serving.certificate,
        key=serving.key,
        ca=ca,
        token_key=_token_key(given),
        static_tokens=_static_tokens(given),
        requestheaders=_requestheaders(given),
        issuer=issuer,
        audiences=given.listed("api-audiences") or (issuer,),
        profile="current",
        service_cidr=_service_cidr(given),
        node_ports=_node_ports(given.get("service-node-port-range", "30000-32767")),
        server_port=port,
        authorization=_authorization(given.listed("authorization-mode")),
        mutating_in_flight=given.number("max-mutating-requests-inflight", 1000),
        disabled_admission=frozenset(given.listed("disable-admission-plugins")),
    )


def _authority_of_nobody(env: Env) -> bytes:
    return CertificateAuthority.create("nobody", env.now()).pair.certificate


def _serving(given: Given, env: Env, host: str) -> KeyPair:
    """The pair that was named, that lies in the folder, or a new one that is written there, as upstream does."""
    folder = Path(given.get("cert-dir", "/var/run/kubernetes"))
    certificate = Path(given.get("tls-cert-file") or folder / CERTIFICATE)
    key = Path(given.get("tls-private-key-file") or folder / KEY)
    if given.get("tls-cert-file") or certificate.exists():
        return KeyPair(certificate.read_bytes(), key.read_bytes())
    names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", host)
    pair = CertificateAuthority.create("kube-apiserver", env.now()).serving("kube-apiserver", names, env.now())
    folder.mkdir(parents=True, exist_ok=True)
    key.touch(mode=0o600)
    key.write_bytes(pair.key)
    certificate.write_bytes(pair.certificate)
    return pair


def _token_key(given: Given) -> bytes:
    """The signing key; a server that was given only keys to check with cannot sign, and makes a key of its own."""
    file = given.get("service-account-signing-key-file")
    return Path(file).read_bytes() if file else new_signing_key()


def _static_tokens(given: Given) -> Mapping[str, User]:
    file = given.get("token-auth-file")
    try:
        return parse_tokens(Path(file).read_text()) if file else {}
    except ValueError as error:
        raise FlagError(f"--token-auth-file={file}: {error}") from error


def _requestheaders(given: Given) -> RequestHeaders:
    file = given.get("requestheader-client-ca-file")
    usual = RequestHeaders()

    def headers(what: str, default: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(each.lower() for each in given.listed(f"requestheader-{what}")) or default

    return RequestHeaders(
        Path(file).read_bytes() if file else b"",
        given.listed("requestheader-allowed-names"),
        headers("username-headers", usual.users),
        headers("uid-headers", usual.uids),
        headers("group-headers", usual.groups),
        headers("extra-headers-prefix", usual.extra),
    )


def _service_cidr(given: Given) -> str:
    first = (given.listed("service-cluster-ip-range") or (DEFAULT_CIDR,))[0]
    try:
        network = ipaddress.ip_network(first)
    except ValueError as error:
        raise FlagError(f'invalid argument "{first}" for "--service-cluster-ip-range" flag: {error}') from error
    if network.version != 4:
        raise FlagError(f"--service-cluster-ip-range={first}: Services have IPv4 addresses only here")
    return str(network)


def _node_ports(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last) < 65536):
        raise FlagError(f'invalid argument "{text}" for "--service-node-port-range" flag: it is no range of ports')
    return int(first), int(last)


def _authorization(modes: tuple[str, ...]) -> AuthorizationMode:
    if unknown := [mode for mode in modes if mode not in ("RBAC", "Node", "AlwaysAllow")]:
        raise FlagError(f"--authorization-mode={unknown[0]}: only RBAC, Node and AlwaysAllow are there")
    return "AlwaysAllow" if not modes or "AlwaysAllow" in modes else "RBAC"
