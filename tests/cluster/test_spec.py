"""What a cluster was asked to be: its nodes, their names and addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from podling.cluster.credentials import serving_names
from podling.cluster.nodesockets import NodeSockets
from podling.cluster.nodespec import LAST_NUMBER, next_numbers
from podling.cluster.objects import endpoints_of_kubernetes, ways_in
from podling.cluster.paths import ClusterPaths
from podling.cluster.spec import ClusterSpec, SpecError, load, save
from podling.simulatednodes.pool import Pool

ONE = ClusterSpec(name="c", number=4)


def test_the_first_node_is_called_as_its_cluster_and_further_ones_carry_their_number() -> None:
    nodes = ONE.with_nodes(3).nodes
    assert [node.name for node in nodes] == ["c", "c-2", "c-3"]
    assert [node.host_address for node in nodes] == ["127.77.4.2", "127.77.4.3", "127.77.4.4"]
    assert [node.internal_address for node in nodes] == ["172.31.4.2", "172.31.4.3", "172.31.4.4"]
    assert [node.pod_network for node in nodes] == ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]


def test_a_number_is_not_given_again_before_all_have_been() -> None:
    left = ONE.with_nodes(3).without_node("c-3")
    assert [node.name for node in left.with_nodes(3).nodes] == ["c", "c-2", "c-4"]
    assert next_numbers((1, 3), LAST_NUMBER, 2) == (2, 4)


def test_fewer_nodes_are_refused_with_the_command_that_takes_one_away() -> None:
    with pytest.raises(SpecError, match=r'"c" has 3 nodes: podling node delete NAME takes one away \(of c-2, c-3\)'):
        ONE.with_nodes(3).with_nodes(2)


def test_what_cannot_have_several_nodes_says_why() -> None:
    with pytest.raises(SpecError, match="16 nodes at most"):
        ONE.with_nodes(17)
    with pytest.raises(SpecError, match="--fake-nodes N makes more"):
        ClusterSpec(name="c", number=4, runtime="fake").with_nodes(2)
    with pytest.raises(SpecError, match="have the names that new nodes would get"):
        ClusterSpec(name="c", number=4, pools={"c": Pool(count=1)}).with_nodes(2)
    with pytest.raises(SpecError, match="is no name for a pool here"):
        ClusterSpec(name="fake", number=4).with_nodes(2).with_fake_nodes(1)


def test_a_spec_of_one_node_from_before_reads_as_one(tmp_path: Path) -> None:
    paths = ClusterPaths(tmp_path, "c")
    paths.directory.mkdir(parents=True)
    paths.spec.write_text('{"name": "c", "number": 4}')
    assert load(paths) == ONE
    save(paths, ONE.with_nodes(2))
    found = load(paths)
    assert found is not None
    assert [node.name for node in found.nodes] == ["c", "c-2"]


def test_every_node_is_an_endpoint_of_api_and_dns_for_its_own_pods() -> None:
    spec = ONE.with_nodes(2)
    slices = {each["metadata"]["name"]: each for each in ways_in(spec) if each["kind"] == "EndpointSlice"}
    for name in ("kubernetes", "kube-dns"):
        found = [(each["nodeName"], each["addresses"]) for each in slices[name]["endpoints"]]
        assert found == [("c", ["172.31.4.2"]), ("c-2", ["172.31.4.3"])]
    services = [each for each in ways_in(spec) if each["kind"] == "Service"]
    assert {each["spec"]["internalTrafficPolicy"] for each in services} == {"Local"}
    (endpoints,) = [each for each in endpoints_of_kubernetes(spec) if each["kind"] == "Endpoints"]
    assert [each["ip"] for each in endpoints["subsets"][0]["addresses"]] == ["172.31.4.2", "172.31.4.3"]


def test_the_api_is_certified_under_the_addresses_of_nodes_that_are_yet_to_come() -> None:
    assert {"172.31.4.2", "172.31.4.9", "127.77.4.1"} < set(serving_names(ONE))


def test_a_node_that_came_later_is_found_by_its_folder_and_nothing_else_is(tmp_path: Path) -> None:
    paths = ClusterPaths(tmp_path, "c")
    sockets = NodeSockets(paths)
    assert sockets.get("c-2") is None
    paths.node("c-2").directory.mkdir(parents=True)
    assert sockets.get("c-2") == str(paths.node("c-2").node_socket)
    assert list(sockets) == ["c-2"]
    for name in ("", ".", "..", "../nodes/c-2"):
        assert sockets.get(name) is None
