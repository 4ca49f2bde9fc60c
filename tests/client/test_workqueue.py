"""The rule of the queue: no key twice at once, no change lost, delays kept."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from podling.client.workqueue import Backoff, WorkQueue


def test_a_key_added_twice_is_worked_on_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.add("a")
    assert (queue.take(), queue.take()) == ("a", None)


def test_a_key_that_changes_while_in_work_comes_back_when_it_is_done() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert queue.take() == "a"
    queue.add("a")
    assert queue.take() is None
    queue.done("a")
    assert queue.take() == "a"


def test_keys_are_taken_in_order_of_their_arrival() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in "cab":
        queue.add(key)
    assert [queue.take() for _ in range(3)] == ["c", "a", "b"]


def test_a_delayed_key_comes_at_its_time_and_the_earliest_of_several_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_at("a", 5.0)
    queue.add_at("a", 3.0)
    queue.add_at("a", 9.0)
    assert queue.next_due() == 3.0
    queue.advance(2.9)
    assert queue.take() is None
    queue.advance(3.0)
    assert queue.take() == "a"
    assert queue.next_due() is None


def test_back_off_doubles_up_to_its_longest_and_forgets_after_a_success() -> None:
    backoff: Backoff[str] = Backoff(first=1.0, longest=5.0)
    assert [backoff.failed("a") for _ in range(4)] == [1.0, 2.0, 4.0, 5.0]
    assert backoff.failed("b") == 1.0
    backoff.succeeded("a")
    assert backoff.failed("a") == 1.0


class QueueMachine(RuleBasedStateMachine):
    """Any interleaving: what was added after it was taken is taken again, and nothing is in work twice."""

    keys = st.sampled_from("abc")

    def __init__(self) -> None:
        super().__init__()
        self.queue: WorkQueue[str] = WorkQueue()
        self.owed: set[str] = set()
        self.working: set[str] = set()

    @rule(key=keys)
    def add(self, key: str) -> None:
        self.queue.add(key)
        self.owed.add(key)

    @rule()
    def take(self) -> None:
        key = self.queue.take()
        if key is None:
            assert self.owed <= self.working
            return
        assert key in self.owed
        assert key not in self.working
        self.owed.discard(key)
        self.working.add(key)

    @rule(key=keys)
    def done(self, key: str) -> None:
        if key in self.working:
            self.working.discard(key)
            self.queue.done(key)

    @invariant()
    def it_is_idle_only_when_nothing_is_owed(self) -> None:
        assert self.queue.idle == (not self.owed and not self.working)


TestQueueMachine = QueueMachine.TestCase
