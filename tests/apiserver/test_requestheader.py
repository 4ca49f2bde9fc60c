"""Front proxies: who may say who somebody is, and whom they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from podling.apiserver.filters.requestheader import RequestHeaders
from podling.apiserver.message import User
from podling.env import SystemEnv
from podling.pki.ca import CertificateAuthority
from tests.apiserver.extensionserver import published_authentication
from tests.apiserver.serving import Api, serving

REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
Json = dict[str, Any]
Headers = Sequence[tuple[str, str]]
JANE = (("X-Remote-User", "jane"), ("X-Remote-Group", "staff"))


def authority(name: str = "proxies") -> CertificateAuthority:
    return CertificateAuthority.create(name, SystemEnv().now())


def by(api: Api, proxies: CertificateAuthority, name: str = "proxy", token: str = "") -> httpx.AsyncClient:
    return api.client(proxies.client(name, ["system:masters"], SystemEnv().now()), token)


def trusting(proxies: CertificateAuthority) -> RequestHeaders:
    return RequestHeaders(proxies.pair.certificate, ("proxy",))


async def who(client: httpx.AsyncClient, headers: Headers = ()) -> tuple[int, Json]:
    answer = await client.post(REVIEW, json={}, headers=list(headers))
    found: Json = answer.json()
    return answer.status_code, found.get("status", {}).get("userInfo", found) if answer.is_success else found


async def test_a_proxy_says_who_asks() -> None:
    proxies = authority()
    said = [
        *JANE,
        ("X-Remote-Group", "CN=a, DC=b"),
        ("X-Remote-Uid", "7"),
        ("X-Remote-Extra-Example.com%2Fscope", "read"),
        ("X-Remote-Extra-Example.com%2Fscope", "write"),
    ]
    async with serving(requestheaders=trusting(proxies)) as api, by(api, proxies) as proxy:
        assert await who(proxy, said) == (
            201,
            {
                "username": "jane",
                "uid": "7",
                "groups": ["staff", "CN=a, DC=b", "system:authenticated"],
                "extra": {"example.com/scope": ["read", "write"]},
            },
        )


async def test_a_proxy_itself_is_nobody() -> None:
    proxies, tokens = authority(), {"secret": User("by-token", ("system:authenticated",))}
    async with serving(requestheaders=trusting(proxies), static_tokens=tokens) as api:
        async with by(api, proxies) as proxy:
            assert (await who(proxy))[0] == 401
        async with by(api, proxies, token="secret") as proxy:
            assert (await who(proxy))[1]["username"] == "by-token"
            assert (await who(proxy, JANE))[1]["username"] == "jane"


async def test_only_proxies_of_the_allowed_names_are_believed() -> None:
    proxies = authority()
    async with serving(requestheaders=trusting(proxies)) as api, by(api, proxies, "other") as other:
        assert (await who(other, JANE))[0] == 401
    anyone = RequestHeaders(proxies.pair.certificate)
    async with serving(requestheaders=anyone) as api, by(api, proxies, "other") as other:
        assert (await who(other, JANE))[1]["username"] == "jane"


async def test_nobody_else_can_say_who_he_is() -> None:
    async with serving(requestheaders=trusting(authority())) as api:
        headers = [("X-Remote-User", "root"), ("X-Remote-Group", "system:masters")]
        async with by(api, api.authority, "proxy") as ordinary:
            assert (await who(ordinary, headers))[1]["username"] == "proxy"
        async with api.client() as nobody:
            assert (await who(nobody, headers))[0] == 403


async def test_a_clients_authority_of_the_same_name_makes_no_proxies() -> None:
    proxies, clients = authority("twin"), authority("twin")
    async with serving(requestheaders=trusting(proxies), ca=clients.pair.certificate) as api:
        async with by(api, clients) as client:
            assert (await who(client, JANE))[1]["username"] == "proxy"
        async with by(api, proxies) as proxy:
            assert (await who(proxy, JANE))[1]["username"] == "jane"


async def test_other_servers_are_told_whom_to_believe() -> None:
    proxies = authority()
    settings = RequestHeaders(proxies.pair.certificate, ("proxy",), users=("x-user", "x-remote-user"))
    async with serving(requestheaders=settings) as api, by(api, proxies) as proxy:
        published = await published_authentication(api)
        assert proxies.pair.certificate.decode() in published["requestheader-client-ca-file"]
        assert published["requestheader-allowed-names"] == '["proxy","front-proxy-client"]'
        assert published["requestheader-username-headers"] == '["X-User","X-Remote-User"]'
        assert (await who(proxy, [("X-User", "ada"), *JANE]))[1]["username"] == "ada"
