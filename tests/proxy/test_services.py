"""Services and EndpointSlices to fronts: the decisions of the proxy."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.kinds.core.service import Service
from podling.api.kinds.discovery.endpointslice import EndpointSlice
from podling.proxy.services import Change, Changes, Front, Place, Rule, Table, fronts_of, service_of

HERE = Place("n1", "172.31.0.2")
VIP = Front("10.96.0.9", 80, "TCP")
A, B, C = ("10.244.0.2", 8080), ("10.244.0.3", 8080), ("10.244.1.2", 8080)


def service(**spec: Any) -> Service:
    spec = {"clusterIP": "10.96.0.9", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]} | spec
    status = spec.pop("status", {})
    return msgspec.convert({"spec": spec, "status": status}, Service)


def endpoint(address: str, node: str = "n1", **conditions: bool) -> dict[str, Any]:
    return {"addresses": [address], "nodeName": node, "conditions": conditions or {"ready": True}}


def endpoint_slice(*endpoints: dict[str, Any], **others: Any) -> EndpointSlice:
    ports = [{"name": "http", "protocol": "TCP", "port": 8080}]
    found = {"addressType": "IPv4", "endpoints": list(endpoints), "ports": ports} | others
    return msgspec.convert(found, EndpointSlice)


TWO_NODES = endpoint_slice(endpoint(A[0]), endpoint(B[0]), endpoint(C[0], "n2"))


def test_a_service_leads_to_its_ready_endpoints_in_a_fixed_order() -> None:
    slices = [
        endpoint_slice(endpoint(B[0]), endpoint("10.244.0.9", ready=False)),
        endpoint_slice(endpoint(A[0]), endpoint(B[0])),
    ]
    assert fronts_of(service(), slices, HERE) == {VIP: Rule((A, B))}


def test_an_unknown_readiness_counts_as_ready() -> None:
    unknown = endpoint_slice({"addresses": [A[0]], "conditions": {}})
    assert fronts_of(service(), [unknown], HERE) == {VIP: Rule((A,))}


def test_terminating_endpoints_serve_only_when_no_other_is_ready() -> None:
    leaving = endpoint(A[0], ready=False, serving=True, terminating=True)
    gone = endpoint(B[0], ready=False, serving=False, terminating=True)
    assert fronts_of(service(), [endpoint_slice(leaving, gone)], HERE) == {VIP: Rule((A,))}
    assert fronts_of(service(), [endpoint_slice(leaving, gone, endpoint(C[0]))], HERE) == {VIP: Rule((C,))}


def test_a_service_without_endpoints_has_fronts_that_refuse() -> None:
    assert fronts_of(service(), [], HERE) == {VIP: Rule()}


@pytest.mark.parametrize("spec", [{"clusterIP": "None"}, {"clusterIP": ""}, {"type": "ExternalName"}], ids=str)
def test_services_without_an_address_have_no_front(spec: dict[str, str]) -> None:
    assert fronts_of(service(**spec), [TWO_NODES], HERE) == {}


@pytest.mark.parametrize("label", ["service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"])
def test_a_service_that_says_so_is_left_to_others(label: str) -> None:
    found = msgspec.convert({"metadata": {"labels": {label: ""}}, "spec": {"clusterIP": "10.96.0.9"}}, Service)
    other = msgspec.structs.replace(service(), metadata=found.metadata)
    assert fronts_of(other, [TWO_NODES], HERE) == {}


def test_all_addresses_of_a_service_are_fronts() -> None:
    spec = {
        "type": "LoadBalancer",
        "ports": [{"name": "http", "port": 80, "nodePort": 30080}],
        "externalIPs": ["192.0.2.1"],
        "status": {"loadBalancer": {"ingress": [{"ip": "127.77.0.2"}, {"hostname": "lb.example"}]}},
    }
    fronts = fronts_of(service(**spec), [TWO_NODES], HERE)
    assert list(fronts) == [
        VIP,
        Front("172.31.0.2", 30080, "TCP"),
        Front("192.0.2.1", 80, "TCP"),
        Front("127.77.0.2", 80, "TCP"),
    ]
    assert set(fronts.values()) == {Rule((A, B, C))}


def test_ports_are_matched_by_name_and_protocol() -> None:
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    slices = [
        endpoint_slice(
            endpoint(A[0]),
            ports=[
                {"name": "dns", "protocol": "UDP", "port": 5353},
                {"name": "dns-tcp", "protocol": "TCP", "port": 5354},
                {"name": "metrics", "port": 9153},
            ],
        )
    ]
    assert fronts_of(service(ports=ports), slices, HERE) == {
        Front("10.96.0.9", 53, "UDP"): Rule(((A[0], 5353),)),
        Front("10.96.0.9", 53, "TCP"): Rule(((A[0], 5354),)),
    }


def test_a_port_without_a_name_matches_a_slice_port_without_one() -> None:
    unnamed = endpoint_slice(endpoint(A[0]), ports=[{"port": 8080}])
    assert fronts_of(service(ports=[{"port": 80}]), [unnamed], HERE) == {VIP: Rule((A,))}


def test_policy_local_keeps_to_this_node_for_its_kind_of_traffic() -> None:
    ports = [{"name": "http", "port": 80, "nodePort": 30080}]
    node_port = Front("172.31.0.2", 30080, "TCP")
    inner = fronts_of(service(ports=ports, internalTrafficPolicy="Local"), [TWO_NODES], HERE)
    assert inner == {VIP: Rule((A, B)), node_port: Rule((A, B, C))}
    outer = fronts_of(service(ports=ports, externalTrafficPolicy="Local"), [TWO_NODES], Place("n3", HERE.address))
    assert outer == {VIP: Rule((A, B, C)), node_port: Rule()}


def hinted(address: str, node: str, zone: str, **hints: str) -> dict[str, Any]:
    """An endpoint with hints `forNodes`, `forZones`."""
    told = {key: [{"name": name}] for key, name in hints.items()}
    return endpoint(address, node) | {"zone": zone, "hints": told}


def near(place: Place, *endpoints: dict[str, Any]) -> list[str]:
    return [address for address, _ in fronts_of(service(), [endpoint_slice(*endpoints)], place)[VIP].endpoints]


def test_endpoints_hinted_for_this_node_or_zone_come_first_where_all_are_hinted() -> None:
    a = hinted(A[0], "n1", "z1", forNodes="n1", forZones="z1")
    b = hinted(B[0], "n2", "z1", forNodes="n2", forZones="z1")
    c = hinted(C[0], "n3", "z2", forNodes="n3", forZones="z2")
    assert near(Place("n1", "", "z1"), a, b, c) == [A[0]]
    assert near(Place("n9", "", "z1"), a, b, c) == [A[0], B[0]]
    assert near(Place("n9", "", "z9"), a, b, c) == near(Place("n9", ""), a, b, c) == [A[0], B[0], C[0]]
    assert near(Place("n1", "", "z1"), a, b, endpoint(C[0])) == [A[0], B[0], C[0]]
    unready = endpoint(C[0], ready=False)
    assert near(Place("n1", "", "z1"), a, b, unready) == [A[0]]


def test_hints_count_among_ready_endpoints_only() -> None:
    leaving = hinted(A[0], "n1", "z1", forNodes="n1") | {"conditions": {"ready": False, "serving": True}}
    assert near(Place("n1", ""), leaving, hinted(B[0], "n2", "z2", forNodes="n2")) == [B[0]]


@pytest.mark.parametrize(
    ("config", "seconds"),
    [({}, 10_800), ({"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}}, 5)],
    ids=["default", "given"],
)
def test_affinity_has_its_timeout(config: dict[str, Any], seconds: int) -> None:
    fronts = fronts_of(service(sessionAffinity="ClientIP", **config), [TWO_NODES], HERE)
    assert fronts[VIP].affinity == seconds


def test_ipv6_is_left_out() -> None:
    six = endpoint_slice(endpoint("fd00::2"), addressType="IPv6")
    assert fronts_of(service(clusterIPs=["10.96.0.9", "fd00::9"]), [six], HERE) == {VIP: Rule()}


def test_slices_name_their_service_by_a_label() -> None:
    assert service_of("default", {"kubernetes.io/service-name": "web"}) == ("default", "web")
    assert service_of("default", {}) is None


def test_a_front_claimed_twice_belongs_to_the_first_until_it_lets_go() -> None:
    table, front = Table(), Front("192.0.2.1", 80, "TCP")
    assert table.update(("a", "x"), {front: Rule((A,))}) == Change({front: Rule((A,))})
    assert not table.update(("b", "y"), {front: Rule((B,))})
    assert table.update(("a", "x"), {}) == Change({front: Rule((B,))})
    assert table.update(("b", "y"), {}) == Change({}, (front,))
    assert table.rules == {}


FRONTS = st.dictionaries(
    st.builds(Front, st.sampled_from(["10.96.0.1", "10.96.0.2"]), st.sampled_from([80, 81]), st.just("TCP")),
    st.builds(Rule, st.sampled_from([(), (A,), (A, B)]), st.sampled_from([0, 10])),
)


@given(st.lists(st.tuples(st.sampled_from(["x", "y", "z"]), FRONTS), max_size=12))
def test_following_the_changes_gives_the_table(steps: list[tuple[str, dict[Front, Rule]]]) -> None:
    table, changes, followed = Table(), Changes(), dict[Front, Rule]()
    for name, fronts in steps:
        change = table.update(("default", name), fronts)
        changes.add(change)
        for front in change.removed:
            del followed[front]
        assert all(followed.get(front) != rule for front, rule in change.set.items()), "a change that changes nothing"
        followed |= change.set
    assert followed == table.rules
    assert dict(changes.all().set) == table.rules
    wanted = {front for _, fronts in dict(steps).items() for front in fronts}
    assert set(table.rules) == wanted
