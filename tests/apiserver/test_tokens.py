"""Bearer tokens: bound to what they are for, from a file, for bootstrapping, without an end; and who may check them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from podling.apiserver.message import User
from podling.apiserver.registry.statictokens import parse
from podling.env import SystemEnv, parse_rfc3339, rfc3339
from podling.pki.ca import new_signing_key
from podling.pki.tokens import TokenSigner
from tests.apiserver.serving import DEFAULT, Api, serving

TOKEN = f"{DEFAULT}/serviceaccounts/default/token"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
SECRETS = "/api/v1/namespaces/kube-system/secrets"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
Json = dict[str, Any]


async def token(api: Api, **spec: object) -> str:
    return str((await api.make(TOKEN, {"spec": spec}))["status"]["token"])


async def user(api: Api, bearer: str) -> Json | None:
    """Who the API takes the bearer for; None where it is refused."""
    async with api.client(token=bearer) as client:
        answer = await client.post(WHOAMI, json={})
        return answer.json()["status"]["userInfo"] if answer.status_code == 201 else None


async def review(api: Api, bearer: str, *audiences: str) -> Json:
    return dict((await api.make(REVIEWS, {"spec": {"token": bearer, "audiences": list(audiences)}}))["status"])


async def test_a_token_for_a_node_dies_with_it() -> None:
    async with serving() as api:
        await api.account()
        made = await api.make("/api/v1/nodes", {"metadata": {"name": "n"}})
        bearer = await token(api, boundObjectRef={"kind": "Node", "apiVersion": "v1", "name": "n"})
        found = await user(api, bearer)
        assert found is not None
        assert found["extra"]["authentication.kubernetes.io/node-uid"] == [made["metadata"]["uid"]]
        await api.http.delete("/api/v1/nodes/n")
        assert await user(api, bearer) is None


async def test_a_pods_token_names_its_node_and_outlives_it() -> None:
    async with serving() as api:
        await api.account()
        await api.make("/api/v1/nodes", {"metadata": {"name": "n"}})
        await api.pod("p", node="n")
        bearer = await token(api, boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "p"})
        await api.http.delete("/api/v1/nodes/n")
        found = await user(api, bearer)
        assert found is not None and found["extra"]["authentication.kubernetes.io/node-name"] == ["n"]


def claims(bearer: str) -> Json:
    part = bearer.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


async def test_a_pods_own_token_holds_longer_than_is_told() -> None:
    async with serving() as api:
        await api.account()
        await api.pod("p")
        bound = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
        made = await api.make(TOKEN, {"spec": {"expirationSeconds": 3607, "boundObjectRef": bound}})
        said = claims(made["status"]["token"])
        assert said["exp"] - said["iat"] == 365 * 86400
        assert said["kubernetes.io"]["warnafter"] - said["iat"] == 3607
        assert parse_rfc3339(made["status"]["expirationTimestamp"]) - said["iat"] <= 3608
        plain = claims(await token(api, expirationSeconds=3607))
        assert plain["exp"] - plain["iat"] == 3607


async def test_a_terminating_pods_token_works_until_it_is_gone() -> None:
    async with serving() as api:
        await api.account()
        await api.pod("p", node="n")
        bearer = await token(api, boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "p"})
        await api.http.delete(f"{DEFAULT}/pods/p")
        assert await user(api, bearer) is not None
        await api.http.delete(f"{DEFAULT}/pods/p", params={"gracePeriodSeconds": "0"})
        assert await user(api, bearer) is None


async def test_a_review_tells_which_of_the_audiences_a_token_is_for() -> None:
    async with serving() as api:
        await api.account()
        bearer = await token(api, audiences=["vault", "bank"])
        assert (await review(api, bearer, "bank", "church"))["audiences"] == ["bank"]
        assert await review(api, bearer, "church") == {"authenticated": False, "error": "invalid bearer token"}
        answer = await api.http.post(REVIEWS, json={"spec": {}})
        assert answer.status_code == 400


async def test_tokens_of_a_file_are_their_users() -> None:
    users = parse('# comment\nsecret1,jane,7,"devs,ops"\nsecret2, bob, 8\n')
    async with serving(static_tokens=users) as api:
        found = await user(api, "secret1")
        assert found == {"username": "jane", "uid": "7", "groups": ["devs", "ops", "system:authenticated"]}
        assert (await review(api, "secret2"))["user"]["username"] == "bob"
        assert not (await review(api, "secret2", "vault"))["authenticated"]
        assert await user(api, "secret3") is None


@pytest.mark.parametrize("text", ["a,b", ",jane,7"])
def test_a_token_file_with_a_bad_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="token file"):
        parse(text)


def test_a_token_file_may_be_empty() -> None:
    assert parse("\n# nothing\n") == {}
    assert parse("t,u,") == {"t": User("u", ("system:authenticated",))}


async def bootstrap(api: Api, **data: str) -> None:
    given = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        **{key.replace("_", "-"): value for key, value in data.items()},
    }
    body = {
        "metadata": {"name": "bootstrap-token-abcdef"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": given,
    }
    await api.make(SECRETS, body)


async def test_a_bootstrap_token_makes_a_bootstrapper() -> None:
    async with serving() as api:
        end = rfc3339(SystemEnv().now() + 60)
        await bootstrap(api, auth_extra_groups="system:bootstrappers:workers", expiration=end)
        assert await user(api, "abcdef.0123456789abcdef") == {
            "username": "system:bootstrap:abcdef",
            "groups": ["system:bootstrappers", "system:bootstrappers:workers", "system:authenticated"],
        }
        assert await user(api, "abcdef.0123456789abcdee") is None
        assert await user(api, "abcdeg.0123456789abcdef") is None
        await api.http.delete(f"{SECRETS}/bootstrap-token-abcdef")
        assert await user(api, "abcdef.0123456789abcdef") is None


@pytest.mark.parametrize(
    "data",
    [
        {"expiration": "2020-01-01T00:00:00Z"},
        {"expiration": "soon"},
        {"usage_bootstrap_authentication": "false"},
        {"auth_extra_groups": "system:masters"},
        {"token_secret": "ä"},
    ],
    ids=["expired", "unreadable end", "not for authentication", "a group it must not give", "another secret"],
)
async def test_a_bootstrap_token_that_is_not_good_is_no_token(data: dict[str, str]) -> None:
    async with serving() as api:
        await bootstrap(api, **data)
        assert await user(api, "abcdef.0123456789abcdef") is None


async def test_a_token_without_an_end_lives_as_long_as_its_secret() -> None:
    key = new_signing_key()
    async with serving(token_key=key) as api:
        account = await api.account()
        begin = "kubernetes.io/serviceaccount/"
        claims = {
            "iss": "kubernetes/serviceaccount",
            "sub": "system:serviceaccount:default:default",
            f"{begin}namespace": "default",
            f"{begin}secret.name": "old",
            f"{begin}service-account.name": "default",
            f"{begin}service-account.uid": account["metadata"]["uid"],
        }
        bearer = TokenSigner(key).sign(claims)
        assert await user(api, bearer) is None
        body = {
            "metadata": {"name": "old", "annotations": {"kubernetes.io/service-account.name": "default"}},
            "type": "kubernetes.io/service-account-token",
            "data": {"token": base64.b64encode(bearer.encode()).decode()},
        }
        await api.make(f"{DEFAULT}/secrets", body)
        found = await user(api, bearer)
        assert found is not None and found["username"] == "system:serviceaccount:default:default"
        await api.http.delete(f"{DEFAULT}/secrets/old")
        assert await user(api, bearer) is None


async def test_who_trusts_the_issuer_finds_its_keys() -> None:
    async with serving() as api:
        await api.account()
        pod_account = await token(api)
        async with api.client(token=pod_account) as client:
            document = (await client.get("/.well-known/openid-configuration")).json()
            keys = (await client.get("/openid/v1/jwks")).json()["keys"]
        assert document["jwks_uri"].endswith("/openid/v1/jwks")
        assert document["id_token_signing_alg_values_supported"] == [key["alg"] for key in keys] == ["ES256"]
        async with api.client() as nobody:
            assert (await nobody.get("/openid/v1/jwks")).status_code == 403
