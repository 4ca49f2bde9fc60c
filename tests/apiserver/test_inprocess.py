"""The transport of components in the server's own process."""

from __future__ import annotations

import asyncio

import pytest

from podling.api.errors import AlreadyExists, BadRequest, Expired, Forbidden, NotFound
from podling.client.transport import Resource
from tests.apiserver.serving import DEFAULT, serving

CONFIG_MAPS = Resource("", "v1", "configmaps")


async def test_writes_pass_the_same_rules_as_everybodys() -> None:
    async with serving() as api:
        own = api.server.transport("jane", ["system:masters"])
        made = await own.request("POST", f"{DEFAULT}/configmaps", body={"metadata": {"name": "one"}, "dota": 1})
        assert made.code == 201 and made.warnings == ('unknown field "dota"',) and made.revision > 0
        with pytest.raises(AlreadyExists, match='configmaps "one" already exists'):
            await own.request("POST", f"{DEFAULT}/configmaps", body={"metadata": {"name": "one"}})
        with pytest.raises(NotFound, match='configmaps "two" not found'):
            await own.request("GET", f"{DEFAULT}/configmaps/two")


async def test_a_component_has_its_users_rights_only() -> None:
    async with serving() as api:
        own = api.server.transport("system:kube-scheduler")
        await own.list(Resource("", "v1", "pods"))
        no = 'cannot list resource "secrets" in API group "" at the cluster scope'
        with pytest.raises(Forbidden, match=no):
            await own.list(Resource("", "v1", "secrets"))
        with pytest.raises(Forbidden, match=no.replace("list", "watch")):
            async with own.watch(Resource("", "v1", "secrets"), since=1):
                pass


async def test_it_is_the_user_it_was_made_for() -> None:
    async with serving() as api:
        own = api.server.transport("system:node:n1", ["system:nodes"])
        review = await own.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body={})
        assert review.object["status"]["userInfo"]["groups"] == ["system:nodes", "system:authenticated"]


async def test_lists_hand_out_the_caches_own_objects() -> None:
    async with serving() as api:
        await api.config_map("one", labels={"a": "b"})
        await api.config_map("two")
        own = api.server.transport()
        found = await own.list(CONFIG_MAPS, namespace="default", label_selector="a=b")
        assert [obj.head.name for obj in found.items] == ["one"]
        assert found.items[0] is api.server.backend.cache.get("core/configmaps/default/one")
        assert found.revision == api.server.backend.cache.revision


async def test_watches_hand_out_events_in_batches() -> None:
    async with serving() as api:
        own = api.server.transport()
        since = (await own.list(CONFIG_MAPS)).revision
        async with own.watch(CONFIG_MAPS, since=since, field_selector="metadata.name=one") as events:
            await api.config_map("two")
            await api.config_map("one")
            async with asyncio.timeout(5):
                batch = await anext(events)
        assert [(event.type, event.object.head.name) for event in batch] == [("ADDED", "one")]


async def test_a_watch_from_before_the_history_is_expired() -> None:
    async with serving() as api:
        await api.config_map("one")
        cache = api.server.backend.cache
        await cache.storage.compact(cache.revision)
        cache._ring.start = cache.revision
        with pytest.raises(Expired):
            async with api.server.transport().watch(CONFIG_MAPS, since=1) as events:
                await anext(events)


async def test_other_versions_than_the_hub_are_refused() -> None:
    async with serving() as api:
        with pytest.raises(BadRequest, match="read replicasets as apps/v1, not apps/v1beta2"):
            await api.server.transport().list(Resource("apps", "v1beta2", "replicasets"))


async def test_a_long_list_may_be_asked_for_as_a_request() -> None:
    async with serving() as api:
        await asyncio.gather(*(api.config_map(f"m{i}") for i in range(100)))
        answer = await api.server.transport().request("GET", f"{DEFAULT}/configmaps")
        assert len(answer.object["items"]) == 100
