"""Who asks and what they may: certificates, tokens, the anonymous."""

from __future__ import annotations

import json

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from podling.env import SystemEnv
from podling.pki.ca import CertificateAuthority, new_signing_key
from podling.pki.tokens import TokenSigner
from tests.apiserver.serving import DEFAULT, Api, serving

TOKEN = f"{DEFAULT}/serviceaccounts/default/token"


async def token(api: Api, **spec: object) -> str:
    made = await api.make(TOKEN, {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec})
    return str(made["status"]["token"])


async def status_with(api: Api, token: str, path: str = "/api") -> int:
    async with api.client(token=token) as client:
        return (await client.get(path)).status_code


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api", 'forbidden: User "system:anonymous" cannot get path "/api"'),
        (
            f"{DEFAULT}/pods",
            'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" '
            'in the namespace "default"',
        ),
        (
            "/apis/apps/v1/namespaces/x/replicasets/y/status",
            'replicasets.apps "y" is forbidden: User "system:anonymous" cannot get resource "replicasets/status" '
            'in API group "apps" in the namespace "x"',
        ),
        (
            "/api/v1/nodes",
            'nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" '
            "at the cluster scope",
        ),
    ],
)
async def test_the_anonymous_are_told_what_they_may_not(path: str, message: str) -> None:
    async with serving() as api, api.client() as nobody:
        answer = await nobody.get(path)
        assert (answer.status_code, answer.json()["message"]) == (403, message)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/version"])
async def test_the_anonymous_may_ask_for_health_and_version(path: str) -> None:
    async with serving() as api, api.client() as nobody:
        assert (await nobody.get(path)).status_code == 200


async def test_a_certificate_is_its_common_name_and_organizations() -> None:
    async with serving() as api:
        pair = api.authority.client("jane", ["devs", "ops"], SystemEnv().now())
        async with api.client(pair) as jane:
            review = await jane.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={})
        info = review.json()["status"]["userInfo"]
        assert (info["username"], info["groups"]) == ("jane", ["devs", "ops", "system:authenticated"])
        fingerprint = x509.load_pem_x509_certificate(pair.certificate).fingerprint(hashes.SHA256()).hex()
        assert info["extra"] == {"authentication.kubernetes.io/credential-id": [f"X509SHA256={fingerprint}"]}


async def test_a_certificate_of_another_authority_is_refused_by_tls() -> None:
    async with serving() as api:
        stranger = CertificateAuthority.create("other", SystemEnv().now())
        async with api.client(stranger.client("jane", [], SystemEnv().now())) as jane:
            with pytest.raises(httpx.TransportError):
                await jane.get("/version")


async def test_a_service_account_token_is_its_account() -> None:
    async with serving() as api:
        account = await api.account()
        async with api.client(token=await token(api)) as client:
            review = await client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={})
        info = review.json()["status"]["userInfo"]
        assert info["username"] == "system:serviceaccount:default:default" and info["uid"] == account["metadata"]["uid"]
        assert "system:serviceaccounts:default" in info["groups"]


async def test_a_token_dies_with_its_account() -> None:
    async with serving() as api:
        await api.account()
        bearer = await token(api)
        assert await status_with(api, bearer) == 200
        await api.http.delete(f"{DEFAULT}/serviceaccounts/default")
        await api.account()  # the same name is another account
        assert await status_with(api, bearer) == 401


async def test_a_token_bound_to_a_pod_dies_with_it() -> None:
    async with serving() as api:
        await api.account()
        await api.pod("p")
        bearer = await token(api, boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "p"})
        assert await status_with(api, bearer) == 200
        await api.http.delete(f"{DEFAULT}/pods/p")
        assert await status_with(api, bearer) == 401


async def test_tokens_that_are_not_for_us_are_unauthorized() -> None:
    async with serving() as api:
        await api.account()
        forged = TokenSigner(new_signing_key()).sign({"sub": "system:serviceaccount:default:default"})
        for bearer in ("nonsense", forged, await token(api, audiences=["vault"])):
            async with api.client(token=bearer) as client:
                answer = await client.get("/version")
                assert answer.status_code == 401
                assert (answer.json()["message"], answer.json()["reason"]) == ("Unauthorized", "Unauthorized")


async def test_a_token_review_tells_whose_a_token_is() -> None:
    async with serving() as api:
        await api.account()
        reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
        vault = await token(api, audiences=["vault"])
        known = await api.make(reviews, {"spec": {"token": vault, "audiences": ["vault"]}})
        assert known["status"]["user"]["username"] == "system:serviceaccount:default:default"
        assert known["status"]["audiences"] == ["vault"]
        assert not (await api.make(reviews, {"spec": {"token": vault}}))["status"]["authenticated"]


async def test_a_token_may_not_be_too_short_lived() -> None:
    async with serving() as api:
        await api.account()
        body = {"spec": {"expirationSeconds": 60}}
        answer = await api.http.post(TOKEN, json=body)
        assert answer.status_code == 422
        assert (
            "spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes" in answer.text
        )


async def test_reviews_answer_as_the_authorizer_does() -> None:
    async with serving() as api:
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        attributes = {"verb": "get", "resource": "pods", "namespace": "default"}
        for user, groups, allowed in (
            ("jane", ["system:masters"], True),
            ("jane", ["system:authenticated"], False),
            ("system:anonymous", ["system:unauthenticated"], False),
        ):
            spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
            assert (await api.make(path, {"spec": spec}))["status"]["allowed"] is allowed


async def test_every_answer_has_an_audit_id_and_keeps_the_clients() -> None:
    async with serving() as api:
        first, second = [await api.http.get("/version") for _ in range(2)]
        assert len({first.headers["audit-id"], second.headers["audit-id"]}) == 2
        kept = await api.http.get("/version", headers={"audit-id": "mine"})
        assert kept.headers["audit-id"] == "mine"


async def test_acting_as_somebody_else_is_being_somebody_else() -> None:
    async with serving() as api:
        done = await api.kubectl("auth", "whoami", "--as=jane", "--as-group=devs", "--as-group=ops", "-o", "json")
        info = json.loads(done.out)["status"]["userInfo"]
        assert (info["username"], info["groups"]) == ("jane", ["devs", "ops", "system:authenticated"])
        as_account = {"impersonate-user": "system:serviceaccount:default:bob"}
        review = await api.http.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={}, headers=as_account)
        assert "system:serviceaccounts:default" in review.json()["status"]["userInfo"]["groups"]
        refused = await api.http.get("/api/v1/pods", headers={"impersonate-user": "system:anonymous"})
        assert refused.status_code == 403


async def test_the_anonymous_may_not_act_as_somebody_else() -> None:
    async with serving() as api, api.client() as nobody:
        answer = await nobody.get("/version", headers={"impersonate-user": "kubernetes-admin"})
        assert answer.status_code == 403
        assert (
            'users "kubernetes-admin" is forbidden: User "system:anonymous" cannot impersonate'
            in answer.json()["message"]
        )
