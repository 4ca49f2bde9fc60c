"""Certificates by the whole control plane: signed by the cluster's authority, and good for its API."""

from __future__ import annotations

import asyncio
import base64
import ssl
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from podling.client.informer import Informer
from podling.client.resources import CERTIFICATESIGNINGREQUESTS, CLUSTERTRUSTBUNDLES
from podling.client.transport import Resource
from podling.supervise import Supervisor
from podling.testing import Cluster
from tests.pki.wishes import Key, request_of

Json = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
BINDINGS = Resource(RBAC, "v1", "clusterrolebindings")
SELF = "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient"
CLIENT, KUBELET = "kubernetes.io/kube-apiserver-client", "kubernetes.io/kube-apiserver-client-kubelet"


def keys(name: str, *groups: str) -> tuple[Key, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, request_of(name, groups, key)


async def ask(cluster: Cluster, name: str, request: str, signer: str, *usages: str, **spec: Any) -> None:
    body = {"request": request, "signerName": signer, "usages": list(usages), **spec}
    kind = {"kind": "CertificateSigningRequest", "apiVersion": "certificates.k8s.io/v1"}
    await cluster.client.create(CERTIFICATESIGNINGREQUESTS, "", {**kind, "metadata": {"name": name}, "spec": body})


async def approve(cluster: Cluster, name: str) -> None:
    condition = {"type": "Approved", "status": "True", "reason": "Test"}
    body = {"status": {"conditions": [condition]}}
    await cluster.client.patch(CERTIFICATESIGNINGREQUESTS, "", name, body, subresource="approval")


async def until(cluster: Cluster, resource: Resource, ready: Any) -> Json:
    """The first object of which `ready` is true."""
    informer = Informer(cluster.client.transport, resource, cluster.env)
    async with Supervisor() as watching:
        watching.start("informer", informer.run())
        async with asyncio.timeout(20):
            await informer.wait_until(lambda: any(ready(each.json()) for each in informer.list()))
        return next(each.json() for each in informer.list() if ready(each.json()))


def answered(name: str) -> Any:
    def ready(found: Json) -> bool:
        status = found.get("status") or {}
        failed = any(each["type"] == "Failed" for each in status.get("conditions") or ())
        return found["metadata"]["name"] == name and bool(status.get("certificate") or failed)

    return ready


async def test_an_approved_client_request_becomes_a_certificate_that_the_api_knows(tmp_path: Any) -> None:
    async with Cluster() as cluster:
        key, request = keys("jane", "devs")
        await ask(cluster, "jane", request, CLIENT, "client auth", "digital signature", expirationSeconds=3600)
        await approve(cluster, "jane")
        found = await until(cluster, CERTIFICATESIGNINGREQUESTS, answered("jane"))
        pem = base64.b64decode(found["status"]["certificate"])
        certificate = x509.load_pem_x509_certificate(pem)
        assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() == 3600 + 300
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (tmp_path / "jane.pem").write_bytes(pem + key.private_bytes(*form))
        context = ssl.create_default_context(cadata=cluster.ca.decode())
        context.load_cert_chain(tmp_path / "jane.pem")
        async with httpx.AsyncClient(base_url=cluster.url, verify=context) as client:
            review = await client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={})
        info = review.json()["status"]["userInfo"]
        assert (info["username"], info["groups"]) == ("jane", ["devs", "system:authenticated"])


async def test_what_asks_for_more_than_the_signer_gives_fails_with_the_reason() -> None:
    async with Cluster() as cluster:
        _, request = keys("jane")
        await ask(cluster, "jane", request, CLIENT, "client auth", "server auth")
        await approve(cluster, "jane")
        found = await until(cluster, CERTIFICATESIGNINGREQUESTS, answered("jane"))
        failed = found["status"]["conditions"][-1]
        assert (failed["type"], failed["reason"]) == ("Failed", "SignerValidationFailure")
        assert "server auth" in failed["message"]


async def test_a_nodes_own_request_is_approved_without_a_person() -> None:
    async with Cluster() as cluster:
        role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": SELF}
        subjects = [{"apiGroup": RBAC, "kind": "Group", "name": "system:nodes"}]
        kind = {"kind": "ClusterRoleBinding", "apiVersion": f"{RBAC}/v1", "metadata": {"name": "renewal"}}
        await cluster.client.create(BINDINGS, "", {**kind, "roleRef": role, "subjects": subjects})
        node = cluster.transport("system:node:node-1", ("system:nodes",))
        _, request = keys("system:node:node-1", "system:nodes")
        spec = {"request": request, "signerName": KUBELET, "usages": ["client auth", "digital signature"]}
        body = {"kind": "CertificateSigningRequest", "apiVersion": "certificates.k8s.io/v1", "spec": spec}
        path = CERTIFICATESIGNINGREQUESTS.path()
        await node.request("POST", path, body={**body, "metadata": {"name": "renewal"}})
        found = await until(cluster, CERTIFICATESIGNINGREQUESTS, answered("renewal"))
        condition = found["status"]["conditions"][0]
        assert (condition["type"], condition["reason"]) == ("Approved", "AutoApproved")
        assert condition["message"].startswith("Auto approving self kubelet client certificate")
        assert found["status"]["certificate"]


async def test_the_authority_is_published_as_a_trust_bundle() -> None:
    async with Cluster() as cluster:
        found = await until(cluster, CLUSTERTRUSTBUNDLES, lambda each: True)
        assert found["metadata"]["name"].startswith("kubernetes.io:kube-apiserver-serving:")
        assert found["spec"]["trustBundle"] == cluster.ca.decode()
