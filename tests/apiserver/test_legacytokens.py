"""Tokens without an end: the day of their last use is written down, and a mark makes them worthless."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from podling.apiserver.registry.legacytokens import LAST_USED, NAME
from podling.apiserver.registry.serviceaccounts import INVALID_SINCE
from podling.env import SystemEnv, rfc3339
from podling.pki.ca import new_signing_key
from podling.pki.tokens import TokenSigner
from podling.storage.memory import MemoryStorage
from tests.apiserver.serving import DEFAULT, Api, serving

SECRET = f"{DEFAULT}/secrets/build-token"
REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
TRACKING = f"/api/v1/namespaces/kube-system/configmaps/{NAME}"
CLAIM = "kubernetes.io/serviceaccount/"


@asynccontextmanager
async def with_token() -> AsyncIterator[tuple[Api, str]]:
    key = new_signing_key()
    async with serving(token_key=key) as api:
        account = await api.account("build")
        claims = {"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:default:build"}
        claims |= {f"{CLAIM}namespace": "default", f"{CLAIM}secret.name": "build-token"}
        claims |= {f"{CLAIM}service-account.name": "build", f"{CLAIM}service-account.uid": account["metadata"]["uid"]}
        token = TokenSigner(key).sign(claims)
        metadata = {"name": "build-token", "annotations": {"kubernetes.io/service-account.name": "build"}}
        body = {"metadata": metadata, "type": "kubernetes.io/service-account-token"}
        body["data"] = {"token": base64.b64encode(token.encode()).decode()}
        await api.make(f"{DEFAULT}/secrets", body)
        yield api, token


async def labelled(api: Api) -> dict[str, str]:
    """The Secret's labels as soon as it has any."""
    async with asyncio.timeout(5):
        while not (labels := (await api.get(SECRET)).json()["metadata"].get("labels")):
            await asyncio.sleep(0.01)
    return dict(labels)


async def test_the_day_of_the_last_use_is_written_on_the_secret() -> None:
    async with with_token() as (api, token), api.client(token=token) as client:
        assert (await client.post(REVIEW, json={})).status_code == 201
        assert await labelled(api) == {LAST_USED: rfc3339(SystemEnv().now())[:10]}
        before = (await api.get(SECRET)).json()["metadata"]["resourceVersion"]
        await client.post(REVIEW, json={})
        await api.config_map("later")
        assert (await api.get(SECRET)).json()["metadata"]["resourceVersion"] == before


async def test_a_marked_token_is_worth_nothing_until_the_mark_is_taken_off() -> None:
    async with with_token() as (api, token), api.client(token=token) as client:
        await api.patch(SECRET, {"metadata": {"labels": {INVALID_SINCE: "2026-01-01"}}})
        assert (await client.post(REVIEW, json={})).status_code == 401
        await api.patch(SECRET, {"metadata": {"labels": {INVALID_SINCE: None}}})
        assert (await client.post(REVIEW, json={})).status_code == 201


async def test_since_when_uses_are_written_down_is_told_and_kept() -> None:
    storage = MemoryStorage()
    async with serving(storage) as api:
        assert (await api.get(TRACKING)).json()["data"] == {"since": rfc3339(SystemEnv().now())[:10]}
        await api.patch(TRACKING, {"data": {"since": "2020-02-02"}})
    async with serving(storage) as api:
        assert (await api.get(TRACKING)).json()["data"] == {"since": "2020-02-02"}
        await api.patch(TRACKING, {"data": {"since": "nonsense"}})
    async with serving(storage) as api:
        assert (await api.get(TRACKING)).json()["data"] == {"since": rfc3339(SystemEnv().now())[:10]}
