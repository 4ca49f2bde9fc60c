"""The balancer of relays: turns, and affinity that ends."""

from __future__ import annotations

from collections import Counter

from podling.env import SystemEnv
from podling.proxy.balancer import RoundRobin
from podling.proxy.services import Rule

A, B, C = ("10.244.0.2", 80), ("10.244.0.3", 80), ("10.244.0.4", 80)


class Clock(SystemEnv):
    seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


def test_every_endpoint_gets_its_turn() -> None:
    balancer = RoundRobin(Rule((A, B, C)), Clock())
    assert Counter(balancer.pick("x", ()) for _ in range(9)) == {A: 3, B: 3, C: 3}


def test_what_was_tried_is_not_picked_again() -> None:
    balancer = RoundRobin(Rule((A, B)), Clock())
    first = balancer.pick("x", ())
    assert first is not None
    second = balancer.pick("x", (first,))
    assert {first, second} == {A, B}
    assert balancer.pick("x", (A, B)) is None


def test_affinity_lasts_from_the_last_connection_on() -> None:
    clock = Clock()
    balancer = RoundRobin(Rule((A, B, C), affinity=10), clock)
    first = balancer.pick("x", ())
    for _ in range(5):
        clock.seconds += 9
        assert balancer.pick("x", ()) == first
    clock.seconds += 11
    assert balancer.pick("x", ()) != first


def test_a_client_whose_endpoint_left_or_failed_gets_another_and_keeps_that() -> None:
    balancer = RoundRobin(Rule((A, B, C), affinity=10), Clock())
    first = balancer.pick("x", ())
    assert first is not None
    second = balancer.pick("x", (first,))
    assert second != first
    assert balancer.pick("x", ()) == second
    balancer.rule = Rule((first,), affinity=10)  # type: ignore[arg-type]
    assert balancer.pick("x", ()) == first


def test_clients_are_forgotten_when_there_are_many() -> None:
    clock = Clock()
    balancer = RoundRobin(Rule((A,), affinity=10), clock)
    for number in range(5000):
        clock.seconds += 0.1
        balancer.pick(str(number), ())
    assert len(balancer._last) <= 1024


def test_an_endpoint_that_policies_forbid_a_client_is_not_picked() -> None:
    balancer = RoundRobin(Rule((A, B, C), affinity=10), Clock(), lambda client, to, protocol: (client, to) == ("x", B))
    assert {balancer.pick("x", ()) for _ in range(5)} == {B}
    assert balancer.pick("x", (B,)) is None
    assert balancer.pick("y", ()) is None
