"""What every store must do: sentences about one store at a time, and a machine that compares it with a model.

A backend's test file subclasses `StorageSuite` with its way of opening, and makes `machine(…)` a test case.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from podling.storage.feed import BUFFERED
from podling.storage.interface import (
    Changed,
    Commit,
    Compacted,
    KeyExists,
    KeyNotFound,
    Row,
    Storage,
    StorageError,
)

POD = "core/pods/default/"


async def read(storage: Storage, since: int, until: int) -> list[Commit]:
    """All commits after `since` up to the revision `until`."""
    found: list[Commit] = []
    async with storage.subscribe(since) as log:
        while not found or found[-1].row.revision < until:
            async with asyncio.timeout(10):
                found += await anext(log)
    return found


class StorageSuite:
    """Subclasses give `storage`, an async fixture with an empty, open store."""

    async def test_a_new_store_is_at_revision_one(self, storage: Storage) -> None:
        assert storage.revision == 1
        assert (await storage.list("")).rows == ()

    async def test_a_write_is_read_back_with_its_revisions(self, storage: Storage) -> None:
        made = await storage.create(POD + "a", b"1")
        changed = await storage.update(POD + "a", b"2", expect=made.revision)
        assert (made.revision, made.created, made.version) == (2, 2, 1)
        assert (changed.revision, changed.created, changed.version) == (3, 2, 2)
        assert await storage.get(POD + "a") == changed
        assert await storage.get(POD + "a", at=2) == made
        assert await storage.get(POD + "a", at=1) is None

    async def test_a_deletion_has_a_revision_and_keeps_the_last_state(self, storage: Storage) -> None:
        made = await storage.create(POD + "a", b"1")
        gone = await storage.delete(POD + "a", expect=made.revision, last=b"last")
        assert (gone.revision, gone.value, gone.deleted) == (3, b"last", True)
        assert await storage.get(POD + "a") is None
        assert (await read(storage, 2, 3)) == [Commit(gone, made)]

    async def test_a_new_life_of_a_key_begins_with_version_one(self, storage: Storage) -> None:
        made = await storage.create(POD + "a", b"1")
        await storage.delete(POD + "a", expect=made.revision)
        again = await storage.create(POD + "a", b"2")
        assert (again.created, again.version) == (4, 1)
        assert (await read(storage, 3, 4)) == [Commit(again, None)]

    async def test_expectations_that_do_not_hold_change_nothing(self, storage: Storage) -> None:
        made = await storage.create(POD + "a", b"1")
        with pytest.raises(KeyExists) as exists:
            await storage.create(POD + "a", b"x")
        with pytest.raises(Changed) as changed:
            await storage.update(POD + "a", b"x", expect=made.revision + 1)
        with pytest.raises(Changed):
            await storage.delete(POD + "a", expect=1)
        with pytest.raises(KeyNotFound):
            await storage.update(POD + "b", b"x", expect=1)
        assert exists.value.current == changed.value.current == made
        assert storage.revision == made.revision

    async def test_of_many_creates_of_one_key_exactly_one_wins_and_the_others_see_it(self, storage: Storage) -> None:
        answers = await asyncio.gather(
            *(storage.create(POD + "a", str(i).encode()) for i in range(20)), return_exceptions=True
        )
        won = [answer for answer in answers if isinstance(answer, Row)]
        lost = [answer.current for answer in answers if isinstance(answer, KeyExists)]
        assert len(won) == 1
        assert lost == won * 19
        assert await storage.get(POD + "a") == won[0]

    async def test_a_counter_raised_by_many_at_once_loses_no_step(self, storage: Storage) -> None:
        await storage.create(POD + "counter", b"0")

        async def step() -> None:
            while True:
                row = await storage.get(POD + "counter")
                assert row is not None
                try:
                    await storage.update(POD + "counter", b"%d" % (int(row.value) + 1), expect=row.revision)
                except Changed:
                    continue
                return

        await asyncio.gather(*(step() for _ in range(15)))
        row = await storage.get(POD + "counter")
        assert row is not None and row.value == b"15"

    async def test_lists_are_pages_of_one_revision(self, storage: Storage) -> None:
        await asyncio.gather(*(storage.create(f"{POD}{i:02}", b"") for i in range(10)))
        await storage.create("core/podsx/default/a", b"")
        await storage.create("core/pods/default-2/a", b"")
        at = storage.revision
        first = await storage.list(POD, at=at, limit=4)
        await storage.create(POD + "055", b"new")
        row = await storage.get(POD + "09")
        assert row is not None
        await storage.delete(POD + "09", expect=row.revision)
        second = await storage.list(POD, at=at, after=first.rows[-1].key, limit=4)
        third = await storage.list(POD, at=at, after=second.rows[-1].key, limit=4)
        assert [page.remaining for page in (first, second, third)] == [6, 2, 0]
        assert [row.key for page in (first, second, third) for row in page.rows] == [f"{POD}{i:02}" for i in range(10)]
        now = await storage.list(POD)
        assert [row.key[len(POD) :] for row in now.rows] == sorted([f"{i:02}" for i in range(9)] + ["055"])

    async def test_a_subscriber_from_the_past_sees_all_commits_once_and_in_order(self, storage: Storage) -> None:
        await asyncio.gather(*(storage.create(f"{POD}{i}", b"") for i in range(1200)))
        writing = asyncio.gather(*(storage.create(f"{POD}later{i}", b"") for i in range(300)))
        commits = await read(storage, 1, 1501)
        await writing
        assert [commit.row.revision for commit in commits] == list(range(2, 1502))

    async def test_a_subscriber_that_does_not_read_loses_nothing(self, storage: Storage) -> None:
        count = BUFFERED + 500
        async with storage.subscribe(1) as log:
            row = await storage.create(POD + "first", b"")
            assert [commit.row for commit in await anext(log)] == [row]
            waiting = asyncio.ensure_future(anext(log))
            await storage.create(POD + "second", b"")
            await waiting
            await asyncio.gather(*(storage.create(f"{POD}{i}", b"") for i in range(count)))
            seen: list[int] = []
            while not seen or seen[-1] < storage.revision:
                seen += [commit.row.revision for commit in await anext(log)]
        assert seen == list(range(4, 4 + count))

    async def test_waiting_for_a_commit_may_be_cancelled_without_loss(self, storage: Storage) -> None:
        async with storage.subscribe(1) as log:
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(log), 0.001)
            row = await storage.create(POD + "a", b"")
            assert await anext(log) == (Commit(row, None),)

    async def test_a_writer_that_is_cancelled_leaves_the_queue_in_order(self, storage: Storage) -> None:
        writes = [asyncio.ensure_future(storage.create(f"{POD}{i}", b"")) for i in range(3)]
        await asyncio.sleep(0)
        writes[1].cancel()
        answers = await asyncio.gather(*writes, return_exceptions=True)
        assert isinstance(answers[1], asyncio.CancelledError)
        after = await storage.create(POD + "after", b"")
        assert [commit.row.revision for commit in await read(storage, 1, after.revision)] == [2, 3, 4, 5]

    async def test_compaction_forgets_what_was_replaced_below_the_mark_and_nothing_else(self, storage: Storage) -> None:
        row = await storage.create(POD + "a", b"0")
        other = await storage.create(POD + "b", b"b")
        for i in range(1, 6):
            row = await storage.update(POD + "a", b"%d" % i, expect=row.revision)
        await storage.delete(POD + "b", expect=other.revision)
        await storage.compact(6)
        assert storage.compacted == 6
        assert [row.value for row in (await storage.list(POD, at=6)).rows] == [b"3", b"b"]
        assert [row.value for row in (await storage.list(POD, at=8)).rows] == [b"5", b"b"]
        with pytest.raises(Compacted) as refused:
            await storage.list(POD, at=5)
        assert (refused.value.revision, refused.value.mark) == (5, 6)
        with pytest.raises(Compacted):
            await storage.get(POD + "a", at=2)
        with pytest.raises(Compacted):
            async with storage.subscribe(5):
                pass
        commits = await read(storage, 6, 9)
        assert [(c.row.revision, c.previous and c.previous.value) for c in commits] == [(7, b"3"), (8, b"4"), (9, b"b")]

    async def test_a_pin_keeps_its_revision_readable(self, storage: Storage) -> None:
        row = await storage.create(POD + "a", b"0")
        row = await storage.update(POD + "a", b"1", expect=row.revision)
        await storage.pin("fork", 3)
        row = await storage.update(POD + "a", b"2", expect=row.revision)
        await storage.delete(POD + "a", expect=row.revision)
        await storage.compact(5)
        assert [row.value for row in (await storage.list(POD, at=3)).rows] == [b"1"]
        assert (await storage.list(POD)).rows == ()
        with pytest.raises(Compacted):
            await storage.get(POD + "a", at=2)
        await storage.pin("fork", None)
        await storage.compact(5)
        with pytest.raises(Compacted):
            await storage.list(POD, at=3)

    async def test_the_future_cannot_be_read(self, storage: Storage) -> None:
        with pytest.raises(StorageError, match="future"):
            await storage.list(POD, at=2)

    async def test_a_closed_store_refuses_everything_and_ends_its_subscriptions(self, storage: Storage) -> None:
        async with storage.subscribe(1) as log:
            await storage.create(POD + "a", b"")
            await anext(log)
            waiting = asyncio.ensure_future(anext(log))
            await asyncio.sleep(0)
            await storage.close()
            with pytest.raises(StorageError, match="closed"):
                await waiting
        with pytest.raises(StorageError, match="closed"):
            await storage.create(POD + "b", b"")
        with pytest.raises(StorageError, match="closed"):
            await storage.get(POD + "a")


KEYS = st.sampled_from(["core/pods/a/x", "core/pods/a/y", "core/pods/b/x", "core/podsets/a/x", "apps/deployments/a/x"])
PREFIXES = st.sampled_from(["", "core/pods/", "core/pods/a/", "core/pods", "apps/", "none/"])
VALUES = st.binary(max_size=8)
SHARE = st.just(1.0) | st.floats(0, 1)


class StorageMachine(RuleBasedStateMachine):
    """Any sequence of verbs; the model is a list of the states at each revision."""

    async def open(self) -> Storage:
        raise NotImplementedError

    async def reopen(self, storage: Storage) -> Storage:
        """After a clean end; a store without a disk stays what it is."""
        return storage

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.states: list[dict[str, Row]] = [{}, {}]
        self.log: list[Commit] = []
        self.mark = 0
        self.pins: dict[str, int] = {}

    @initialize()
    def begin(self) -> None:
        self.storage = self.runner.run(self.open())

    def teardown(self) -> None:
        self.runner.run(self.storage.close())
        self.runner.close()

    @property
    def revision(self) -> int:
        return len(self.states) - 1

    def written(self, row: Row) -> None:
        state = dict(self.states[-1])
        previous = state.pop(row.key, None)
        if not row.deleted:
            state[row.key] = row
        self.states.append(state)
        self.log.append(Commit(row, previous))
        assert row.revision == self.revision
        assert row.version == (previous.version + 1 if previous else 1)
        assert row.created == (previous.created if previous else row.revision)

    def attempt(self, key: str, live: bool, write: Callable[[int], Awaitable[Row]], right: bool) -> None:
        """A write with the right expectation is done, with a wrong one refused with the reason."""
        head = self.states[-1].get(key)
        expect = head.revision if head and right else 0
        try:
            self.written(self.runner.run(_awaited(write(expect))))
        except KeyExists as error:
            assert not live and error.current == head
        except KeyNotFound:
            assert live and head is None
        except Changed as error:
            assert live and not right and error.current == head
        else:
            assert (head is None) != live and (right or not live)

    @rule(key=KEYS, value=VALUES)
    def create(self, key: str, value: bytes) -> None:
        self.attempt(key, False, lambda _: self.storage.create(key, value), True)

    @rule(key=KEYS, value=VALUES, right=st.booleans())
    def update(self, key: str, value: bytes, right: bool) -> None:
        self.attempt(key, True, lambda expect: self.storage.update(key, value, expect=expect), right)

    @rule(key=KEYS, last=st.none() | VALUES, right=st.booleans())
    def delete(self, key: str, last: bytes | None, right: bool) -> None:
        self.attempt(key, True, lambda expect: self.storage.delete(key, expect=expect, last=last), right)

    @rule(values=st.lists(VALUES, max_size=5))
    def create_many_at_once(self, values: list[bytes]) -> None:
        async def many() -> list[Row]:
            start = self.revision
            return list(
                await asyncio.gather(
                    *(self.storage.create(f"burst/{start}/{i}", value) for i, value in enumerate(values))
                )
            )

        for row in self.runner.run(many()):
            self.written(row)

    def at(self, share: float) -> int:
        return 1 + round(share * (self.revision - 1))

    def kept(self, at: int) -> bool:
        return at >= self.mark or at in self.pins.values()

    @rule(key=KEYS, share=SHARE)
    def get_in_the_past(self, key: str, share: float) -> None:
        at = self.at(share)
        try:
            row = self.runner.run(self.storage.get(key, at=at))
        except Compacted:
            assert not self.kept(at)
        else:
            assert self.kept(at) and row == self.states[at].get(key)

    @rule(prefix=PREFIXES, share=SHARE, after=st.just("") | KEYS, limit=st.none() | st.integers(1, 3))
    def list_in_the_past(self, prefix: str, share: float, after: str, limit: int | None) -> None:
        at = self.at(share)
        try:
            page = self.runner.run(self.storage.list(prefix, at=at, after=after, limit=limit))
        except Compacted:
            assert not self.kept(at)
            return
        found = [self.states[at][k] for k in sorted(self.states[at]) if k.startswith(prefix) and k > after]
        assert self.kept(at)
        assert list(page.rows) == found[:limit]
        assert (page.revision, page.remaining) == (at, len(found) - len(page.rows))

    @rule(share=SHARE)
    def subscribe_in_the_past(self, share: float) -> None:
        since = self.at(share)
        try:
            if since < self.revision:
                assert self.runner.run(read(self.storage, since, self.revision)) == self.log[since - 1 :]
        except Compacted:
            assert since < self.mark
        else:
            assert since >= self.mark or since == self.revision

    @rule(share=SHARE)
    def compact(self, share: float) -> None:
        at = self.at(share)
        self.runner.run(self.storage.compact(at))
        self.mark = max(self.mark, at)
        # What was pinned below stays; what was not is gone for good, even if pinned later.
        assert self.storage.compacted == self.mark

    @rule(name=st.sampled_from("pq"), share=SHARE)
    def pin(self, name: str, share: float) -> None:
        at = self.at(share)
        try:
            self.runner.run(self.storage.pin(name, at))
        except Compacted:
            assert not self.kept(at)
        else:
            assert self.kept(at)
            self.pins[name] = at

    @precondition(lambda self: self.pins)
    @rule(name=st.sampled_from("pq"))
    def unpin(self, name: str) -> None:
        self.runner.run(self.storage.pin(name, None))
        self.pins.pop(name, None)

    @rule()
    def close_and_open_again(self) -> None:
        self.storage = self.runner.run(self.reopen(self.storage))

    @invariant()
    def the_present_is_the_models(self) -> None:
        if not hasattr(self, "storage"):
            return
        page = self.runner.run(self.storage.list(""))
        assert {row.key: row for row in page.rows} == self.states[-1]
        assert [row.key for row in page.rows] == sorted(self.states[-1])
        assert self.storage.revision == page.revision == self.revision


async def _awaited(write: Awaitable[Row]) -> Row:
    return await write
