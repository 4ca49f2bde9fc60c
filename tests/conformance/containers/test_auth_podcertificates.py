"""sig-auth: certificates of Pods. The signer runs in the test, as Kubernetes has none of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from cryptography import x509

from podling.env import SystemEnv
from tests.conformance.containers.pods import log, pod
from tests.conformance.kube import Json, Kube, Refused, eventually
from tests.pki.podsigner import PATH, PodSigner

FEATURE = (
    "[sig-auth] Projected PodCertificate [FeatureGate:PodCertificateRequest] [FeatureGate:ClusterTrustBundle] "
    "[FeatureGate:ClusterTrustBundleProjection]"
)
LIMITS = f"{FEATURE} MaxExpirationSeconds validations should"
LIST = "[MinimumKubeletVersion:1.37] [Conformance]"
SIGNER = "example.com/spiffe"
REQUESTS = "certificates.k8s.io/v1/podcertificaterequests"
FILES = "/run/tls"

SERVER = f"""
import http.server, ssl
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        names = dict(self.connection.getpeercert()["subjectAltName"])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Client Identity: " + names["URI"].encode())
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile="{FILES}/trust.pem")
context.verify_mode = ssl.CERT_REQUIRED
context.load_cert_chain("{FILES}/own.pem")
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8443), Echo)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
# A SPIFFE identity is no host name, so that is what the client looks at instead.
CLIENT = f"""
import socket, ssl, sys
context = ssl.create_default_context(cafile="{FILES}/trust.pem")
context.check_hostname = False
context.load_cert_chain("{FILES}/own.pem")
with context.wrap_socket(socket.create_connection((sys.argv[1], 443))) as connection:
    print("Server Identity:", dict(connection.getpeercert()["subjectAltName"])["URI"])
    connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    print(b"".join(iter(lambda: connection.recv(4096), b"")).decode().splitlines()[-1])
"""


def answer(kube: Kube, signer: PodSigner, end: threading.Event) -> None:
    """Sign what is asked for until the end."""
    while not end.wait(0.05):
        for request in kube.at(REQUESTS).items(fieldSelector=f"spec.signerName={SIGNER}"):
            if not (request.get("status") or {}).get("conditions"):
                status = signer.issued(request, SystemEnv().now())
                own = kube.at(REQUESTS, request["metadata"]["namespace"])
                own.patch(request["metadata"]["name"], {"status": status}, subresource="status")


@pytest.fixture
def signer(kube: Kube) -> Iterator[PodSigner]:
    """One that answers and has told whom to trust."""
    found, end = PodSigner(SystemEnv().now()), threading.Event()
    bundle = {"signerName": SIGNER, "trustBundle": found.anchor}
    bundles = kube.at("certificates.k8s.io/v1/clustertrustbundles")
    bundles.create({"metadata": {"name": f"{SIGNER.replace('/', ':')}:live"}, "spec": bundle})
    thread = threading.Thread(target=answer, args=(kube, found, end))
    thread.start()
    try:
        yield found
    finally:
        end.set()
        thread.join()
        bundles.delete(f"{SIGNER.replace('/', ':')}:live")


def certified(name: str, script: str, *arguments: str, **source: object) -> Json:
    """A Pod with a certificate and the signer's bundle in a folder."""
    own = {"signerName": SIGNER, "keyType": "ECDSAP256", "credentialBundlePath": "own.pem", **source}
    trust = {"signerName": SIGNER, "labelSelector": {}, "path": "trust.pem"}
    projected = {"sources": [{"podCertificate": own}, {"clusterTrustBundle": trust}]}
    command = {"command": ["sh", "-c", script, "sh", *arguments]} if arguments else {}
    mount = {"volumeMounts": [{"name": "tls", "mountPath": FILES}], **command}
    return pod(name, script, container=mount, volumes=[{"name": "tls", "projected": projected}])


def inspected(kube: Kube, namespace: str, **source: object) -> x509.Certificate:
    """The certificate that a Pod finds."""
    pods = kube.at("v1/pods", namespace)
    pods.create(certified("p", f"cat {FILES}/own.pem; sleep infinity", **source))
    pods.until("p", lambda found: found["status"].get("phase") == "Running")
    eventually(lambda: "-----END CERTIFICATE-----" in log(kube, namespace, "p"))
    text = log(kube, namespace, "p")
    return x509.load_pem_x509_certificate(text[text.index("-----BEGIN CERTIFICATE") :].encode())


def life(certificate: x509.Certificate) -> timedelta:
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc


def identity(certificate: x509.Certificate) -> str:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (found,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    return found


@pytest.mark.conformance(f"{FEATURE} should allow server and client pods to establish an mTLS connection {LIST}")
def test_pods_know_each_other_by_their_certificates(kube: Kube, namespace: str, signer: PodSigner) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(certified("server", 'exec python3 -c "$1"', SERVER))
    ports = [{"port": 443, "targetPort": 8443}]
    service = kube.at("v1/services", namespace).create(
        {"metadata": {"name": "server"}, "spec": {"selector": {"app": "server"}, "ports": ports}}
    )
    script = 'until python3 -c "$1" "$2"; do sleep 0.2; done'
    pods.create(certified("client", script, CLIENT, service["spec"]["clusterIP"]))
    pods.until("client", lambda found: found["status"].get("phase") == "Succeeded")
    said = log(kube, namespace, "client")
    known = f"spiffe://cluster.local/ns/{namespace}/sa/default"
    assert f"Server Identity: {known}\n" in said and f"Client Identity: {known}" in said


@pytest.mark.conformance(f"{FEATURE} should honor UserAnnotations for SPIFFE URI path {LIST}")
def test_a_pod_tells_its_signer_more(kube: Kube, namespace: str, signer: PodSigner) -> None:
    found = inspected(kube, namespace, userAnnotations={PATH: "/custom-workload"})
    assert identity(found) == "spiffe://cluster.local/custom-workload"


@pytest.mark.conformance(
    f"{LIMITS} issue certificate with default life time (24h) when MaxExpirationSeconds is not set {LIST}"
)
def test_a_certificate_is_for_a_day(kube: Kube, namespace: str, signer: PodSigner) -> None:
    assert life(inspected(kube, namespace)) == timedelta(hours=24)


@pytest.mark.conformance(
    f"{LIMITS} issue certificate with specified duration (1h) when MaxExpirationSeconds is set {LIST}"
)
def test_a_pod_says_how_long_its_certificate_may_be_for(kube: Kube, namespace: str, signer: PodSigner) -> None:
    assert life(inspected(kube, namespace, maxExpirationSeconds=3600)) == timedelta(hours=1)


def refusal(kube: Kube, namespace: str, seconds: int) -> str:
    with pytest.raises(Refused) as refused:
        kube.at("v1/pods", namespace).create(certified("p", "true", maxExpirationSeconds=seconds))
    assert refused.value.code == 422
    return refused.value.message


@pytest.mark.conformance(f"{LIMITS} reject pod creation when MaxExpirationSeconds exceeds maximum (91d) {LIST}")
def test_no_certificate_is_for_longer_than_a_season(kube: Kube, namespace: str) -> None:
    said = refusal(kube, namespace, 91 * 24 * 3600 + 1)
    assert "if provided, maxExpirationSeconds must be <= 7862400" in said


@pytest.mark.conformance(f"{LIMITS} reject pod creation when MaxExpirationSeconds is less than minimum (1h) {LIST}")
def test_no_certificate_is_for_less_than_an_hour(kube: Kube, namespace: str) -> None:
    assert "if provided, maxExpirationSeconds must be >= 3600" in refusal(kube, namespace, 3599)
