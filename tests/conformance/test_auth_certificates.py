"""sig-auth: certificate requests and trust bundles, every verb and every way."""

from __future__ import annotations

import base64

import pytest

from podling.env import SystemEnv
from podling.pki.ca import CertificateAuthority
from tests.conformance.kube import Json, Kube, conditions
from tests.conformance.operations import refused, walk
from tests.pki.wishes import request_of

SIGNER = "example.com/e2e"


def wish(name: str) -> Json:
    spec = {"request": request_of("e2e"), "signerName": SIGNER, "usages": ["digital signature", "client auth"]}
    return {"metadata": {"name": name}, "spec": spec}


@pytest.mark.conformance(
    "[sig-auth] Certificates API [Privileged:ClusterAdmin] should support CSR API operations [Conformance]"
)
def test_certificate_signing_requests(kube: Kube) -> None:
    requests = kube.at("certificates.k8s.io/v1/certificatesigningrequests")
    walk(kube, requests, wish)
    made = requests.create(wish("e2e"))
    assert made["spec"]["username"] == "kubernetes-admin"

    assert requests.get("e2e", "approval")["metadata"]["uid"] == made["metadata"]["uid"]
    condition = {"type": "ApprovalPatch", "status": "True", "reason": "e2e"}
    body = {"metadata": {"annotations": {"patchedapproval": "true"}}, "status": {"conditions": [condition]}}
    patched = requests.patch("e2e", body, subresource="approval")
    assert patched["metadata"]["annotations"] == {"patchedapproval": "true"}
    assert conditions(patched) == {"ApprovalPatch": "True"}
    approved = {"type": "Approved", "status": "True", "reason": "e2e", "message": "Set from an e2e test"}
    updated = requests.change("e2e", lambda found: found["status"]["conditions"].append(approved), "approval")
    assert conditions(updated) == {"ApprovalPatch": "True", "Approved": "True"}

    assert requests.get("e2e", "status")["metadata"]["uid"] == made["metadata"]["uid"]
    certificate = base64.b64encode(CertificateAuthority.create("e2e", SystemEnv().now()).pair.certificate).decode()
    body = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"certificate": certificate}}
    patched = requests.patch("e2e", body, subresource="status")
    assert patched["status"]["certificate"] == certificate
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
    told = {"type": "StatusUpdate", "status": "True", "reason": "e2e"}
    updated = requests.change("e2e", lambda found: found["status"]["conditions"].append(told), "status")
    assert conditions(updated)["StatusUpdate"] == "True" and conditions(updated)["Approved"] == "True"
    requests.delete("e2e")
    requests.gone("e2e")


@pytest.mark.conformance(
    "[sig-auth] [FeatureGate:ClusterTrustBundle] [FeatureGate:ClusterTrustBundleProjection] CRUD Tests "
    "certificates.k8s.io/v1 ClusterTrustBundles [MinimumKubeletVersion:1.37] [Conformance]"
)
def test_cluster_trust_bundles(kube: Kube) -> None:
    bundles = kube.at("certificates.k8s.io/v1/clustertrustbundles")
    pem = CertificateAuthority.create("e2e", SystemEnv().now()).pair.certificate.decode()

    def bundle(name: str) -> Json:
        return {"metadata": {"name": f"example.com:e2e:{name}"}, "spec": {"signerName": SIGNER, "trustBundle": pem}}

    walk(kube, bundles, bundle)
    bundles.create(bundle("one"))
    assert [each["metadata"]["name"] for each in bundles.items(fieldSelector=f"spec.signerName={SIGNER}")] == [
        "example.com:e2e:one"
    ]
    other = {"spec": {"signerName": "example.com/other"}}
    assert refused(lambda: bundles.patch("example.com:e2e:one", other)).code == 422
    bundles.delete("example.com:e2e:one")
