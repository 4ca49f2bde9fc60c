"""Who waits, how long, and what wakes them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from podling.scheduler.plugin import Cause
from podling.scheduler.queue import PATIENCE, SchedulingQueue
from podling.scheduler.snapshot import PodFacts
from tests.scheduler.nodes import pod


def keys(taken: list[object]) -> list[str]:
    return [each.pod.metadata.name for each in taken]  # type: ignore[attr-defined]


def test_the_important_come_first_and_equals_in_order_of_arrival() -> None:
    queue = SchedulingQueue()
    for name, priority in (("a", 0), ("b", 10), ("c", 0), ("d", 10)):
        queue.put(pod(name, priority=priority))
    assert keys([*queue.take(9, 0.0)]) == ["b", "d", "a", "c"]
    assert queue.take(9, 0.0) == []


def test_an_unschedulable_pod_waits_for_a_change_and_for_its_back_off() -> None:
    queue, facts = SchedulingQueue(), pod("a")
    queue.put(facts)
    queue.take(1, 0.0)
    queue.unschedulable(facts.key, 0.0)
    assert queue.take(1, 100.0) == []
    queue.wake()
    assert keys([*queue.take(1, 100.0)]) == ["a"]
    queue.unschedulable(facts.key, 100.0)
    queue.wake()
    assert queue.next_due() == 102.0
    assert queue.take(1, 101.0) == []
    assert keys([*queue.take(1, 102.0)]) == ["a"]


def test_patience_ends_after_five_minutes() -> None:
    queue, facts = SchedulingQueue(), pod("a")
    queue.put(facts)
    queue.take(1, 0.0)
    queue.unschedulable(facts.key, 0.0)
    assert queue.next_due() is not None
    assert queue.take(1, PATIENCE - 1) == []
    assert keys([*queue.take(1, PATIENCE)]) == ["a"]


def test_a_status_change_does_not_make_a_waiting_pod_ready_but_a_change_of_its_spec_does() -> None:
    queue, facts = SchedulingQueue(), pod("a", cpu="9")
    queue.put(facts)
    queue.take(1, 0.0)
    queue.unschedulable(facts.key, 0.0)
    queue.put(facts)
    assert queue.take(1, 50.0) == []
    queue.put(pod("a", cpu="9", tolerations=[{"operator": "Exists"}]))
    assert keys([*queue.take(1, 51.0)]) == ["a"]


def test_a_dropped_pod_is_never_taken() -> None:
    queue = SchedulingQueue()
    queue.put(pod("a"))
    queue.drop("core/pods/default/a")
    assert queue.take(1, 0.0) == []
    assert len(queue) == 0


def test_only_what_a_pod_heeds_wakes_it() -> None:
    queue, facts = SchedulingQueue(), pod("a")
    queue.put(facts)
    queue.take(1, 0.0)
    queue.unschedulable(facts.key, 0.0, Cause.POD_LEFT)
    queue.wake(Cause.NODE | Cause.POD_CAME)
    assert queue.take(1, 50.0) == []
    queue.wake(Cause.POD_LEFT)
    assert keys([*queue.take(1, 50.0)]) == ["a"]


def test_nobody_is_stirred_where_nobody_waits() -> None:
    queue = SchedulingQueue()
    queue.wake(Cause.NODE)
    assert not queue.stirred


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["put", "drop", "stuck", "wake", "retry", "take"]))))
def test_no_pod_is_ever_lost(history: list[tuple[str, str]]) -> None:
    """Whatever happens, a Pod that was not dropped is taken again once enough time has passed."""
    queue, now, known = SchedulingQueue(), 0.0, set[str]()
    taken: dict[str, PodFacts] = {}
    for name, what in history:
        facts, now = pod(name), now + 1.0
        match what:
            case "put":
                queue.put(facts)
                known.add(name)
            case "drop":
                queue.drop(facts.key)
                known.discard(name)
                taken.pop(name, None)
            case "take":
                for each in queue.take(9, now):
                    taken[each.pod.metadata.name] = each
            case "wake":
                queue.wake()
            case "stuck" | "retry" if name in taken:
                (queue.unschedulable if what == "stuck" else queue.retry)(taken.pop(name).key, now)
    found = set(taken) | {each.pod.metadata.name for each in queue.take(9, now + PATIENCE + 11)}
    assert found == known
    assert len(queue) == len(known)
