"""The signers of Kubernetes itself: which requests are theirs, and what makes one unfit.

Of each signer only what its own users need is signed: a kubelet's client certificate names a node and nothing else, a
serving certificate its names and addresses (Kubernetes documentation, "Certificate Signing Requests", Kubernetes
signers).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from typing import Final

from podling.api.kinds.certificates.certificatesigningrequest import CertificateSigningRequest
from podling.pki.requests import BadRequest, Wanted, read

CLIENT: Final = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT: Final = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING: Final = "kubernetes.io/kubelet-serving"
LEGACY: Final = "kubernetes.io/legacy-unknown"
SIGNERS: Final = (CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY)
NODES, NODE_USER = "system:nodes", "system:node:"
_SIGNATURE, _ENCIPHERMENT = "digital signature", "key encipherment"


def decode(request: CertificateSigningRequest) -> bytes:
    """The PEM of a request. Raises BadRequest."""
    try:
        return base64.b64decode(request.spec.request, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest("the request is not base64") from error


def unfit(request: CertificateSigningRequest) -> str:
    """Why the signer refuses a request, in upstream's words; nothing where it may be signed. Raises BadRequest."""
    wanted, usages = read(decode(request)), request.spec.usages
    match request.spec.signer_name:
        case "kubernetes.io/kubelet-serving":
            return kubelet_serving(wanted, usages)
        case "kubernetes.io/kube-apiserver-client-kubelet":
            return kubelet_client(wanted, usages)
        case "kubernetes.io/kube-apiserver-client":
            return _client_usages(usages)
    return ""


def kubelet_client(wanted: Wanted, usages: Collection[str]) -> str:
    if wanted.organizations != (NODES,):
        return "subject organization is not system:nodes"
    for found, kind in (
        (wanted.dns_names, "DNS"),
        (wanted.emails, "email"),
        (wanted.addresses, "IP"),
        (wanted.uris, "URI"),
    ):
        if found:
            return f"{kind} subjectAltNames are not allowed"
    if not wanted.common_name.startswith(NODE_USER):
        return f"subject common name does not begin with {NODE_USER}"
    return "" if _only(usages, "client auth") else "usages did not match [client auth digital signature]"


def kubelet_serving(wanted: Wanted, usages: Collection[str]) -> str:
    if wanted.organizations != (NODES,):
        return "subject organization is not system:nodes"
    if not wanted.dns_names and not wanted.addresses:
        return "DNS or IP subjectAltName is required"
    for found, kind in ((wanted.emails, "email"), (wanted.uris, "URI")):
        if found:
            return f"{kind} subjectAltNames are not allowed"
    if not _only(usages, "server auth"):
        return "usages did not match [digital signature server auth]"
    if not wanted.common_name.startswith(NODE_USER):
        return f"subject common name does not begin with {NODE_USER}"
    return ""


def _only(usages: Collection[str], purpose: str) -> bool:
    """Exactly what a TLS key of this purpose needs; RSA keys encipher as well."""
    return set(usages) - {_ENCIPHERMENT} == {_SIGNATURE, purpose}


def _client_usages(usages: Collection[str]) -> str:
    if "client auth" not in usages:
        return "client auth usage is required"
    other = sorted(set(usages) - {_SIGNATURE, _ENCIPHERMENT, "client auth"})
    return f"invalid usages for client certificate: {', '.join(other)}" if other else ""


def has(request: CertificateSigningRequest, *types: str) -> bool:
    return any(each.type in types for each in request.status.conditions)
