"""sig-auth: accounts and their tokens, questions about rights, requests for certificates."""

from __future__ import annotations

import base64
import json

import pytest

from podling.pki import podcertificates
from tests.conformance.kube import Json, Kube, names
from tests.conformance.operations import refused, walk
from tests.conformance.world import World


@pytest.mark.conformance(
    "[sig-auth] ServiceAccounts should run through the lifecycle of a ServiceAccount [Conformance]"
)
def test_the_life_of_a_service_account(kube: Kube, namespace: str) -> None:
    accounts = kube.at("v1/serviceaccounts", namespace)
    with accounts.watch(labelSelector="own=yes") as watch:
        body = {"metadata": {"name": "a", "labels": {"own": "yes"}}, "automountServiceAccountToken": False}
        accounts.create(body)
        watch.until("ADDED", lambda found: found["automountServiceAccountToken"] is False)
        accounts.patch("a", {"automountServiceAccountToken": True}, "strategic-merge")
        watch.until("MODIFIED", lambda found: found["automountServiceAccountToken"] is True)
        assert names(accounts.everywhere().items(labelSelector="own=yes")) == ["a"]
        accounts.delete_all(labelSelector="own=yes")
        watch.until("DELETED")
    assert "a" not in names(accounts.items())


@pytest.mark.conformance("[sig-auth] ServiceAccounts should update a ServiceAccount [Conformance]")
def test_a_service_account_is_updated(kube: Kube, namespace: str) -> None:
    accounts = kube.at("v1/serviceaccounts", namespace)
    made = accounts.create({"metadata": {"name": "a"}, "automountServiceAccountToken": False})
    accounts.change("a", lambda body: body.update(automountServiceAccountToken=True))
    assert accounts.get("a")["automountServiceAccountToken"] is True
    assert accounts.get("a")["metadata"]["uid"] == made["metadata"]["uid"]


def token(kube: Kube, namespace: str, account: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    made = kube.call("POST", path, {"spec": {"expirationSeconds": 3600}})
    found: str = made["status"]["token"]
    return found


@pytest.mark.conformance(
    "[sig-auth] ServiceAccounts should create a serviceAccountToken and ensure a successful TokenReview [Conformance]"
)
def test_a_token_is_made_and_reviewed(kube: Kube, namespace: str) -> None:
    account = kube.at("v1/serviceaccounts", namespace).create({"metadata": {"name": "a"}})
    review = kube.call(
        "POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": token(kube, namespace, "a")}}
    )
    assert review["status"]["authenticated"] is True and not review["status"].get("error")
    user = review["status"]["user"]
    assert user["username"] == f"system:serviceaccount:{namespace}:a"
    assert user["uid"] == account["metadata"]["uid"]
    assert set(user["groups"]) == {
        "system:authenticated",
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
    }


@pytest.mark.conformance(
    "[sig-auth] ServiceAccounts should guarantee kube-root-ca.crt exist in any namespace [Conformance]"
)
def test_every_namespace_has_the_authority_of_the_cluster(world: World, kube: Kube, namespace: str) -> None:
    maps = kube.at("v1/configmaps", namespace)
    authority = {"ca.crt": world.authority.pair.certificate.decode()}
    first = maps.settled(lambda items: "kube-root-ca.crt" in names(items))[0]
    assert first["data"] == authority
    maps.delete("kube-root-ca.crt")
    maps.settled(lambda items: [each["metadata"]["uid"] for each in items] not in ([], [first["metadata"]["uid"]]))
    maps.patch("kube-root-ca.crt", {"data": {"ca.crt": "spoilt"}})
    maps.until("kube-root-ca.crt", lambda body: body["data"] == authority)


@pytest.mark.conformance(
    "[sig-auth] ServiceAccounts ServiceAccountIssuerDiscovery should support OIDC discovery of service account issuer"
    " [Conformance]"
)
def test_who_checks_a_token_finds_its_key_at_the_issuer(world: World, kube: Kube, namespace: str) -> None:
    kube.at("v1/serviceaccounts", namespace).create({"metadata": {"name": "a"}})
    made = token(kube, namespace, "a")
    reader = world.bearer(made)
    issuer = reader.call("GET", "/.well-known/openid-configuration")
    head, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in made.split(".")[:2])
    assert claims["iss"] == issuer["issuer"]
    assert claims["sub"] == f"system:serviceaccount:{namespace}:a"
    keys = reader.call("GET", "/openid/v1/jwks")["keys"]
    assert head["kid"] in [key["kid"] for key in keys]
    assert head["alg"] in issuer["id_token_signing_alg_values_supported"]


@pytest.mark.conformance("[sig-auth] SubjectReview should support SubjectReview API operations [Conformance]")
def test_rights_are_asked_for_and_used(kube: Kube, world: World, namespace: str) -> None:
    kube.at("v1/serviceaccounts", namespace).create({"metadata": {"name": "asker"}})
    asker = world.bearer(token(kube, namespace, "asker"))
    user = f"system:serviceaccount:{namespace}:asker"
    attributes = {"verb": "list", "resource": "configmaps", "version": "v1", "namespace": namespace}
    reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    local = f"/apis/authorization.k8s.io/v1/namespaces/{namespace}/localsubjectaccessreviews"

    def allowed(path: str) -> bool:
        made = kube.call("POST", path, {"spec": {"user": user, "resourceAttributes": attributes}} | place(path))
        found: bool = made["status"]["allowed"]
        return found

    def place(path: str) -> Json:
        return {"metadata": {"namespace": namespace}} if path == local else {}

    assert not allowed(reviews) and not allowed(local)
    assert refused(lambda: asker.at("v1/configmaps", namespace).list()).code == 403
    subject = {"kind": "ServiceAccount", "name": "asker", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    kube.at("rbac.authorization.k8s.io/v1/rolebindings", namespace).create(
        {"metadata": {"name": "asker"}, "roleRef": role, "subjects": [subject]}
    )
    assert allowed(reviews) and allowed(local)
    assert asker.at("v1/configmaps", namespace).list()["kind"] == "ConfigMapList"
    own = asker.call(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {"spec": {"resourceAttributes": attributes}},
    )
    assert own["status"]["allowed"] is True
    me = asker.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert me["status"]["userInfo"]["username"] == user


@pytest.mark.conformance(
    "[sig-auth] PodCertificateRequest API [Privileged:ClusterAdmin] should support PodCertificateRequest API"
    " operations [Conformance]"
)
def test_pod_certificate_requests(kube: Kube, namespace: str) -> None:
    uid = "11111111-2222-3333-4444-555555555555"

    def request(name: str) -> Json:
        spec = {
            "signerName": "example.com/e2e",
            "podName": "p",
            "podUID": uid,
            "serviceAccountName": "default",
            "serviceAccountUID": uid,
            "nodeName": "node-1",
            "nodeUID": uid,
            "maxExpirationSeconds": 86400,
            "stubPKCS10Request": base64.b64encode(podcertificates.stub("ED25519").request).decode(),
        }
        return {"metadata": {"name": name}, "spec": spec}

    walk(kube, kube.at("certificates.k8s.io/v1/podcertificaterequests", namespace), request)
