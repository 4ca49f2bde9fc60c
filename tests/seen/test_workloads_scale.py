"""The control plane at scale: thousands of simulated nodes, ten thousand Pods, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.fleet import Fleet
from bench.scale import MANY_NODES, MANY_PODS, bound, growth, scaled

pytestmark = pytest.mark.timed

Show = Callable[[str, object, object], None]
NAMES = [f"pod-{number}" for number in range(MANY_PODS)]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("fleet"), MANY_NODES) as started:
        yield started


def test_five_thousand_simulated_nodes_are_ready_within_a_minute(fleet: Fleet, show: Show) -> None:
    show("5,000 simulated nodes Ready, from the start of the cluster", fleet.ready, "60 s")
    assert fleet.ready.seconds <= 60


def test_ten_thousand_pods_run_within_a_minute(fleet: Fleet, show: Show) -> None:
    cost = fleet.run(NAMES)
    show("10,000 Pods Running, from the first creation", cost, "60 s")
    assert cost.seconds <= 60


def test_ten_thousand_pods_are_gone_within_a_minute_and_a_half(fleet: Fleet, show: Show) -> None:
    cost = fleet.delete(NAMES)
    show("10,000 Pods deleted one by one", cost, "90 s")
    assert cost.seconds <= 90


def test_eight_hundred_pods_a_second_are_bound_onto_five_thousand_nodes(tmp_path: Path, show: Show) -> None:
    found = bound(tmp_path)
    show("10,000 identical Pods bound onto 5,000 nodes", found, "800 Pods/s")
    assert found.rate >= 800


def test_pods_of_a_hundred_shapes_are_spread_and_their_rate_is_told(tmp_path: Path, show: Show) -> None:
    found = bound(tmp_path, shapes=100)
    show("10,000 Pods of 100 shapes with spread constraints bound onto 5,000 nodes", found, "told, not bounded")
    assert found.pods == MANY_PODS


def test_a_pod_costs_hardly_more_among_fifty_thousand_than_among_a_thousand(tmp_path: Path, show: Show) -> None:
    found = growth(tmp_path)
    show("CPU a Pod at 50,000 Pods against that at 1,000", found, "1.5 times")
    assert found.ratio <= 1.5


def test_a_replicaset_of_ten_thousand_never_holds_the_loop(tmp_path: Path, show: Show) -> None:
    up, down = scaled(tmp_path)
    show("one ReplicaSet scaled to 10,000 Pods", up, "loop held for 20 ms")
    show("and to none again", down, "loop held for 20 ms")
    assert max(up.held, down.held) <= 0.020
