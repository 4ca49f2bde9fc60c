"""What a pool is made of."""

from __future__ import annotations

import ipaddress
import itertools

import pytest

from podling.simulatednodes.addresses import Addresses
from podling.simulatednodes.pool import Pool, PoolFull, blocks, missing, new_node, surplus


def test_a_pool_is_filled_with_the_lowest_free_numbers_and_loses_its_last_nodes_first() -> None:
    there = ["fake-1", "fake-3", "other"]
    assert missing("fake", Pool(count=4), ["fake-1", "fake-3"], there) == ["fake-2", "fake-4"]
    assert missing("fake", Pool(count=2), ["fake-1", "fake-3"], there) == []
    assert surplus(Pool(count=1), ["fake-10", "fake-2", "fake-1"]) == ["fake-2", "fake-10"]


def test_blocks_hold_all_pods_and_never_overlap() -> None:
    small = list(itertools.islice(blocks(110, ["10.244.0.0/24", "100.64.1.0/24"]), 3))
    assert small == ["100.64.0.0/24", "100.64.2.0/24", "100.64.3.0/24"]
    large = list(itertools.islice(blocks(1000, small), 2))
    networks = [ipaddress.IPv4Network(each) for each in small + large]
    assert all(not one.overlaps(other) for one, other in itertools.combinations(networks, 2))
    assert all(network.num_addresses >= 1000 for network in networks[3:])


def test_there_are_no_more_blocks_than_addresses() -> None:
    everything = blocks(200_000, [])
    assert len(list(itertools.islice(everything, 16))) == 16
    with pytest.raises(PoolFull):
        next(everything)


def test_a_node_says_in_every_way_that_it_is_simulated() -> None:
    node = new_node("gpu", Pool(count=1, zones=3, labels={"gpu": "yes"}, tainted=True), "gpu-2", "100.64.0.0/24", 1, 0)
    labels, info = node["metadata"]["labels"], node["status"]["nodeInfo"]
    assert labels["podling.dev/simulated"] == "true"
    assert labels["node-role.kubernetes.io/simulated"] == ""
    assert (labels["podling.dev/pool"], labels["gpu"]) == ("gpu", "yes")
    assert labels["topology.kubernetes.io/zone"] == "zone-2"
    assert "simulated" in info["kubeletVersion"]
    assert node["spec"]["taints"] == [{"key": "podling.dev/simulated", "value": "true", "effect": "NoSchedule"}]


def test_addresses_are_kept_given_once_and_given_again_when_free() -> None:
    addresses = Addresses("100.64.0.0/29")
    addresses.keep("old", "100.64.0.3")
    given = [addresses.of(uid) for uid in ("a", "b", "c", "d")]
    assert addresses.of("old") == "100.64.0.3"
    assert len({*given, "100.64.0.3"}) == 5
    assert addresses.of("e") == ""
    addresses.release("b")
    assert addresses.of("e") == given[1]
