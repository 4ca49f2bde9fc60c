"""The watch cache: reads, indexes, and what each watcher is told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.errors import Expired
from podling.api.objects import Event, Head, Object
from podling.env import SystemEnv
from podling.storage.interest import Interest
from podling.storage.interface import KeyExists, Storage, StorageError
from podling.storage.memory import MemoryStorage
from podling.storage.sqlite import SqliteStorage
from podling.storage.watch import Watch
from podling.storage.watchcache import WatchCache
from podling.supervise import Supervisor

PODS = "core/pods/"


def describe(key: str, raw: bytes) -> tuple[Head, Callable[[bytes], Any]]:
    """Objects of the tests: {"labels": {}, "node": "", "owners": []}."""
    value = msgspec.json.decode(raw)
    *_, namespace, name = key.split("/")
    fields = {"metadata.name": name, "spec.nodeName": value.get("node", "")}
    head = Head(namespace, name, key, value.get("labels", {}), fields, tuple(value.get("owners", ())))
    return head, msgspec.json.decode


def raw(**value: Any) -> bytes:
    return msgspec.json.encode(value)


@asynccontextmanager
async def cached(storage: Storage | None = None, **limits: int) -> AsyncIterator[WatchCache]:
    storage = storage or MemoryStorage()
    async with Supervisor() as tasks:
        cache = WatchCache(storage, SystemEnv(), describe, **limits)
        await cache.start(tasks)
        yield cache
    await storage.close()


def seen(events: Any) -> list[tuple[str, str, int]]:
    return [(event.type, event.object.head.name, event.object.revision) for event in events]


async def told(watch: Watch, until: int) -> list[Event]:
    """Everything the watch says until it has passed a revision."""
    found: list[Event] = []
    async with asyncio.timeout(5):
        while watch.revision < until:
            found += await watch.next(0.01)
    return found


async def test_a_write_is_visible_when_it_returns() -> None:
    async with cached() as cache:
        made = await cache.create(PODS + "a/x", raw(node="n"))
        assert cache.get(PODS + "a/x") is made
        assert cache.revision == made.revision
        changed = await cache.update(PODS + "a/x", raw(node="m"), expect=made.revision)
        assert cache.get(PODS + "a/x") is changed
        gone = await cache.delete(PODS + "a/x", expect=changed.revision, last=raw(node="last"))
        assert cache.get(PODS + "a/x") is None
        assert (gone.revision, gone.view) == (4, {"node": "last"})
        assert cache.list(PODS) == []


async def test_of_many_writers_each_gets_its_own_object_even_when_it_is_already_replaced() -> None:
    async with cached() as cache:

        async def write(index: int) -> tuple[Object, Object]:
            made = await cache.create(f"{PODS}a/{index}", raw())
            return made, await cache.update(made.key, raw(node="n"), expect=made.revision)

        for made, changed in await asyncio.gather(*(write(i) for i in range(50))):
            assert made.head.fields["spec.nodeName"] == ""
            assert changed.head.fields["spec.nodeName"] == "n"
            assert made.key == changed.key and made.revision < changed.revision


async def test_refusals_of_the_store_come_through() -> None:
    async with cached() as cache:
        await cache.create(PODS + "a/x", raw())
        with pytest.raises(KeyExists):
            await cache.create(PODS + "a/x", raw())


async def test_lists_are_in_order_of_keys_and_by_namespace() -> None:
    async with cached() as cache:
        for key in ("b/y", "a/z", "a/x", "ab/x", "a-b/x"):
            await cache.create(PODS + key, raw())
        await cache.create("apps/deployments/a/d", raw())
        assert [found.key for found in cache.list(PODS)] == [PODS + k for k in ("a-b/x", "a/x", "a/z", "ab/x", "b/y")]
        assert [found.head.name for found in cache.list(PODS + "a/")] == ["x", "z"]
        assert [found.key for found in cache.list(PODS, after=PODS + "a/x", limit=2)] == [PODS + "a/z", PODS + "ab/x"]
        assert cache.count(PODS, after=PODS + "a/x") == 3
        assert cache.resources() == ["apps/deployments/", PODS]


async def test_owners_and_nodes_are_found_without_a_scan() -> None:
    async with cached() as cache:
        first = await cache.create(PODS + "a/x", raw(node="n1", owners=["u1", "u2"]))
        other = await cache.create("apps/replicasets/a/r", raw(owners=["u1"]))
        assert cache.owned("u1") == [other, first]
        assert cache.having(PODS, "spec.nodeName", "n1") == [first]
        moved = await cache.update(PODS + "a/x", raw(node="n2", owners=["u2"]), expect=first.revision)
        assert cache.owned("u1") == [other]
        assert cache.having(PODS, "spec.nodeName", "n1") == []
        assert cache.having(PODS + "a/", "spec.nodeName", "n2") == [moved]
        assert cache.having(PODS + "b/", "spec.nodeName", "n2") == []
        await cache.delete(PODS + "a/x", expect=moved.revision)
        assert cache.owned("u2") == []


async def test_a_watch_tells_what_happened_after_its_revision() -> None:
    async with cached() as cache:
        made = await cache.create(PODS + "a/x", raw())
        await cache.create("core/podsets/a/x", raw())
        async with cache.watch(PODS, since=1) as watch:
            made = await cache.update(PODS + "a/x", raw(node="n"), expect=made.revision)
            await cache.delete(PODS + "a/x", expect=made.revision)
            events = await told(watch, 5)
        assert seen(events) == [("ADDED", "x", 2), ("MODIFIED", "x", 4), ("DELETED", "x", 5)]
        assert events[1].previous is not None and events[1].previous.revision == 2


async def test_an_object_that_enters_or_leaves_a_selection_is_added_or_deleted() -> None:
    async with cached() as cache:
        interest = Interest(labels={"app": "web"})
        async with cache.watch(PODS, since=1, interest=interest) as watch, cache.watch(PODS, since=1) as everything:
            found = await cache.create(PODS + "a/x", raw(labels={"app": "db"}))
            for labels in ({"app": "web"}, {"app": "web", "v": "2"}, {"app": "db"}):
                found = await cache.update(PODS + "a/x", raw(labels=labels), expect=found.revision)
            await cache.delete(PODS + "a/x", expect=found.revision)
            events = await told(watch, 6)
            assert seen(events) == [("ADDED", "x", 3), ("MODIFIED", "x", 4), ("DELETED", "x", 5)]
            assert events[2].object.head.labels == {"app": "web", "v": "2"}
            assert [event.type for event in await told(everything, 6)] == ["ADDED", *["MODIFIED"] * 3, "DELETED"]


async def test_watchers_of_one_face_of_a_change_share_one_event() -> None:
    async with cached() as cache:
        web = Interest(labels={"app": "web"})
        made = await cache.create(PODS + "a/x", raw())
        async with (
            cache.watch(PODS, since=2, interest=web) as one,
            cache.watch(PODS, since=2, interest=Interest(namespace="a", matches=lambda head: bool(head.labels))) as two,
        ):
            await cache.update(PODS + "a/x", raw(labels={"app": "web"}), expect=made.revision)
            (first,), (second,) = await anext(one), await anext(two)
        assert first is second
        assert first.type == "ADDED"


async def test_an_event_visits_only_the_watchers_it_may_concern() -> None:
    asked: Counter[str] = Counter()

    def counting(name: str) -> Callable[[Head], bool]:
        def matches(head: Head) -> bool:
            asked[name] += 1
            return True

        return matches

    interests: Mapping[str, Interest] = {
        "node n1": Interest(fields={"spec.nodeName": "n1"}, matches=counting("node n1")),
        "node n2": Interest(fields={"spec.nodeName": "n2"}, matches=counting("node n2")),
        "name y": Interest(name="y", matches=counting("name y")),
        "namespace b": Interest(namespace="b", matches=counting("namespace b")),
        "namespace a": Interest(namespace="a", matches=counting("namespace a")),
        "label": Interest(labels={"app": "web"}, matches=counting("label")),
    }
    async with cached() as cache:
        watches = [cache.watch(PODS, since=1, interest=interest) for interest in interests.values()]
        for watch in watches:
            await watch.__aenter__()
        await cache.create(PODS + "a/x", raw(node="n1"))
        assert set(asked) == {"node n1", "namespace a"}
        for watch in watches:
            await watch.__aexit__(None, None, None)
        await cache.create(PODS + "a/z", raw(node="n1"))
        assert asked["node n1"] == 1


async def test_a_watcher_that_does_not_read_is_cut_off_and_the_others_go_on() -> None:
    async with (
        cached(buffer_bytes=10_000) as cache,
        cache.watch(PODS, since=1) as slow,
        cache.watch(PODS, since=1) as reader,
    ):
        for i in range(30):
            await cache.create(f"{PODS}a/{i}", raw(node="n" * 1000))
            assert len(await anext(reader)) == 1
        with pytest.raises(Expired, match="too old resource version: 1"):
            await anext(slow)


async def test_a_watch_from_before_the_ring_reads_the_log_and_goes_on_live() -> None:
    async with cached(ring_bytes=5_000) as cache:
        for i in range(60):
            await cache.create(f"{PODS}a/{i}", raw(labels={"even": str(i % 2 == 0)}))
        assert cache.oldest > 30
        async with cache.watch(PODS, since=11, interest=Interest(labels={"even": "True"})) as watch:
            writing = asyncio.ensure_future(cache.create(PODS + "a/live", raw(labels={"even": "True"})))
            events = await told(watch, 62)
            await writing
        assert [event.object.revision for event in events] == [*range(12, 62, 2), 62]


async def test_a_watch_from_before_the_compaction_is_expired() -> None:
    async with cached(ring_bytes=1) as cache:
        for i in range(10):
            await cache.create(f"{PODS}a/{i}", raw())
        await cache.storage.compact(8)
        with pytest.raises(Expired, match=r"too old resource version: 5 \(8\)"):
            async with cache.watch(PODS, since=5):
                pass


async def test_informers_survive_a_restart_of_the_store(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    async with cached(await SqliteStorage.open(path, SystemEnv())) as cache:
        made = await cache.create(PODS + "a/x", raw(labels={"app": "web"}))
        await cache.create(PODS + "a/y", raw())
        await cache.delete(PODS + "a/x", expect=made.revision)
    async with cached(await SqliteStorage.open(path, SystemEnv())) as cache:
        assert [found.head.name for found in cache.list(PODS)] == ["y"]
        async with cache.watch(PODS, since=2, interest=Interest(labels={"app": "web"})) as watch:
            assert seen(await told(watch, cache.revision)) == [("DELETED", "x", 4)]


async def test_a_quiet_watch_may_say_the_present_revision_in_a_bookmark() -> None:
    async with cached() as cache, cache.watch(PODS, since=1, interest=Interest(name="none")) as watch:
        for i in range(5):
            await cache.create(f"{PODS}a/{i}", raw())
        assert await watch.next(0.001) == ()
        assert watch.revision == cache.revision == 6


async def test_a_store_that_stops_ends_every_watch_and_the_server_with_the_reason() -> None:
    storage = MemoryStorage()
    with pytest.raises(StorageError, match="closed"):
        async with Supervisor() as tasks:
            cache = WatchCache(storage, SystemEnv(), describe)
            await cache.start(tasks)
            async with cache.watch(PODS, since=1) as watch:
                await storage.close()
                with pytest.raises(StorageError, match="closed"):
                    await anext(watch)
            with pytest.raises(StorageError, match="closed"):
                await cache.create(PODS + "a/x", raw())
            await tasks.wait()


async def test_a_changed_definition_describes_the_objects_again() -> None:
    async with cached() as cache:
        made = await cache.create("example.com/widgets/a/x", raw(node="n1"))
        cache._describe = lambda key, raw: (msgspec.structs.replace(describe(key, raw)[0], fields={}), bytes)
        cache.refresh("example.com/widgets/")
        found = cache.get(made.key)
        assert found is not None and found.view == made.raw and found.revision == made.revision
        assert cache.having("example.com/widgets/", "spec.nodeName", "n1") == []


LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("12"), max_size=2)
STEPS = st.lists(
    st.tuples(st.sampled_from(["a/x", "a/y", "b/x"]), st.none() | LABELS, st.sampled_from("mn")), max_size=25
)
INTERESTS = st.builds(
    Interest,
    namespace=st.sampled_from(["", "a"]),
    name=st.sampled_from(["", "", "x"]),
    labels=LABELS,
    fields=st.sampled_from([{}, {}, {"spec.nodeName": "n"}]),
)


@given(steps=STEPS, interest=INTERESTS, start=st.floats(0, 1), ring=st.sampled_from([1, 2_000, 1 << 20]))
def test_a_list_followed_by_its_watch_always_leads_to_the_present(
    steps: list[tuple[str, dict[str, str] | None, str]], interest: Interest, start: float, ring: int
) -> None:
    async def follow() -> None:
        async with cached(ring_bytes=ring) as cache:
            known: dict[str, int] = {}
            since = 1
            for index, (key, labels, node) in enumerate(steps):
                if index == int(start * len(steps)):
                    since = cache.revision
                    known = present(cache, interest)
                await write(cache, PODS + key, labels, node)
            async with cache.watch(PODS, since=since, interest=interest) as watch:
                for event in await told(watch, cache.revision):
                    key = event.object.key
                    assert (event.type == "ADDED") == (key not in known)
                    known[key] = event.object.revision
                    if event.type == "DELETED":
                        del known[key]
            assert known == present(cache, interest)

    asyncio.run(follow())


def present(cache: WatchCache, interest: Interest) -> dict[str, int]:
    return {found.key: found.revision for found in cache.list(PODS) if interest.concerns(found.head)}


async def write(cache: WatchCache, key: str, labels: dict[str, str] | None, node: str) -> None:
    """Create or update; without labels delete what is there."""
    found = cache.get(key)
    if labels is None:
        if found is not None:
            await cache.delete(key, expect=found.revision)
    elif found is None:
        await cache.create(key, raw(labels=labels, node=node))
    else:
        await cache.update(key, raw(labels=labels, node=node), expect=found.revision)


async def test_a_write_that_ends_behind_the_cache_and_a_watch_that_comes_too_late_do_not_wait_for_ever() -> None:
    storage = MemoryStorage()
    async with Supervisor() as tasks:
        cache = WatchCache(storage, SystemEnv(), describe)
        await cache.start(tasks)
        made = await cache.create(f"{PODS}default/a", raw())
    gone = await storage.delete(made.key, expect=made.revision)
    with pytest.raises(StorageError, match="the server is stopping"):
        await asyncio.wait_for(cache.reached(gone.revision), 5)
    async with cache.watch(PODS, since=made.revision) as late:
        with pytest.raises(StorageError, match="the server is stopping"):
            await asyncio.wait_for(anext(late), 5)
