"""WATCH: where it begins, what it shows, how it ends."""

from __future__ import annotations

import asyncio

import pytest

from podling.apiserver.endpoints import watch
from tests.apiserver.serving import DEFAULT, serving, take

CONFIG_MAPS = f"{DEFAULT}/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def test_a_watch_from_a_revision_shows_what_came_after_it() -> None:
    async with serving() as api:
        made = await api.config_map("one")
        await api.config_map("two")
        async with api.watching(CONFIG_MAPS, resourceVersion=made["metadata"]["resourceVersion"]) as events:
            await api.patch(f"{CONFIG_MAPS}/two", {"data": {"a": "b"}})
            await api.http.delete(f"{CONFIG_MAPS}/two")
            seen = await take(events, 3)
        assert [(e["type"], e["object"]["metadata"]["name"]) for e in seen] == [
            ("ADDED", "two"),
            ("MODIFIED", "two"),
            ("DELETED", "two"),
        ]
        revisions = [int(e["object"]["metadata"]["resourceVersion"]) for e in seen]
        assert revisions == sorted(set(revisions))


async def test_a_watch_without_a_revision_begins_with_what_is_there() -> None:
    async with serving() as api:
        await api.config_map("one")
        async with api.watching(CONFIG_MAPS) as events:
            assert (await take(events, 1))[0]["type"] == "ADDED"
            await api.config_map("two")
            assert (await take(events, 1))[0]["object"]["metadata"]["name"] == "two"


async def test_an_object_that_leaves_a_selection_is_deleted_from_it() -> None:
    async with serving() as api:
        made = await api.config_map("one", labels={"a": "1"})
        since = made["metadata"]["resourceVersion"]
        async with api.watching(CONFIG_MAPS, resourceVersion=since, labelSelector="a=1") as events:
            await api.patch(f"{CONFIG_MAPS}/one", {"metadata": {"labels": {"a": "2"}}})
            await api.patch(f"{CONFIG_MAPS}/one", {"metadata": {"labels": {"a": "1"}}})
            assert [e["type"] for e in await take(events, 2)] == ["DELETED", "ADDED"]


async def test_a_streaming_list_ends_with_the_bookmark_that_says_so() -> None:
    async with serving() as api:
        await api.config_map("one")
        wish = {
            "sendInitialEvents": "true",
            "resourceVersionMatch": "NotOlderThan",
            "allowWatchBookmarks": "true",
        }
        async with api.watching(CONFIG_MAPS, **wish) as events:
            added, end = await take(events, 2)
            assert added["type"] == "ADDED" and end["type"] == "BOOKMARK"
            assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
            assert int(end["object"]["metadata"]["resourceVersion"]) == api.server.backend.cache.revision


async def test_a_streaming_list_without_its_match_is_invalid() -> None:
    async with serving() as api:
        answer = await api.get(CONFIG_MAPS, watch="true", sendInitialEvents="true")
        assert answer.status_code == 422 and "sendInitialEvents requires setting" in answer.json()["message"]


async def test_a_watch_ends_after_its_timeout_with_a_bookmark() -> None:
    async with serving() as api:
        since = (await api.config_map("one"))["metadata"]["resourceVersion"]
        wish = {"resourceVersion": since, "timeoutSeconds": "1", "allowWatchBookmarks": "true"}
        async with api.watching(CONFIG_MAPS, **wish) as events:
            assert [event["type"] async for event in events] == ["BOOKMARK"]


async def test_history_that_is_gone_is_said_in_an_error_event() -> None:
    async with serving() as api:
        for name in ("one", "two", "three"):
            await api.config_map(name)
        cache = api.server.backend.cache
        await api.server.backend.storage.compact(cache.revision)
        cache._ring.start = cache.revision  # as after a restart: nothing in memory reaches back
        async with api.watching(CONFIG_MAPS, resourceVersion="2") as events:
            event = (await take(events, 1))[0]
        assert event["type"] == "ERROR" and event["object"]["code"] == 410
        assert event["object"]["message"].startswith("too old resource version: 2 (")


async def test_a_table_watch_defines_its_columns_once() -> None:
    async with serving() as api:
        await api.config_map("one")
        async with api.watching(CONFIG_MAPS, TABLE) as events:
            await api.config_map("two")
            first, second = await take(events, 2)
        assert first["object"]["kind"] == "Table" and first["object"]["columnDefinitions"]
        assert second["object"]["columnDefinitions"] == []
        assert second["object"]["rows"][0]["cells"][0] == "two"


async def test_an_old_version_is_watched_in_its_own_words() -> None:
    async with serving() as api:
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        async with api.watching("/apis/apps/v1beta2/replicasets") as events:
            await api.make("/apis/apps/v1/namespaces/default/replicasets", {"metadata": {"name": "x"}, "spec": spec})
            assert (await take(events, 1))[0]["object"]["apiVersion"] == "apps/v1beta2"


async def test_fifty_watchers_see_every_event() -> None:
    async with serving() as api:
        since = str(api.server.backend.cache.revision)

        async def watcher() -> list[str]:
            async with api.watching(CONFIG_MAPS, resourceVersion=since) as events:
                return [event["object"]["metadata"]["name"] for event in await take(events, 20)]

        async with api.client(api.admin()) as other:
            watchers = [asyncio.ensure_future(watcher()) for _ in range(50)]
            for i in range(20):
                await other.post(CONFIG_MAPS, json={"metadata": {"name": f"m{i:02}"}})
            seen = await asyncio.gather(*watchers)
        assert all(each == [f"m{i:02}" for i in range(20)] for each in seen)


async def test_a_client_that_leaves_ends_its_watch() -> None:
    async with serving() as api:
        async with api.watching(CONFIG_MAPS) as events:
            await api.config_map("one")
            await take(events, 1)
            assert api.server.metrics.watches == 1
        async with asyncio.timeout(5):
            while api.server.metrics.watches:
                await asyncio.sleep(0.01)


async def test_a_watcher_that_does_not_read_is_cut_off_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PATIENCE", 0.5)
    async with serving() as api:
        _, writer = await api.raw()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(f"GET {CONFIG_MAPS}?watch=true HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        async with asyncio.timeout(20):
            while not api.server.metrics.watches:
                await asyncio.sleep(0.01)
            for i in range(16):
                await api.make(CONFIG_MAPS, {"metadata": {"name": f"m{i}"}, "data": {"x": "y" * 900_000}})
            while api.server.metrics.watches:
                await asyncio.sleep(0.05)
        writer.transport.abort()
