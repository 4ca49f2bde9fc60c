"""Services of type LoadBalancer get the nodes' addresses on this machine, each port one Service's."""

from __future__ import annotations

from typing import Any

import pytest

from podling.client.resources import NODES, SERVICES
from podling.controllers import servicelb
from tests.controllers.world import World

Json = dict[str, Any]


def node(name: str, address: str, **labels: str) -> Json:
    addresses = [{"type": "InternalIP", "address": "172.31.0.2"}]
    if address:
        addresses.append({"type": "ExternalIP", "address": address})
    return {"metadata": {"name": name, "labels": labels}, "status": {"addresses": addresses}}


def service(name: str, *ports: int, born: str = "2024-01-01T00:00:00Z", **more: Any) -> Json:
    listed = [{"port": port, "protocol": "TCP", "nodePort": 30_000 + port} for port in ports or (80,)]
    metadata = {"name": name, "creationTimestamp": born}
    return {"metadata": metadata, "spec": {"type": "LoadBalancer", "ports": listed} | more, "status": {}}


def world_with(*services: Json, nodes: tuple[Json, ...] = (node("n1", "127.77.0.2"),)) -> World:
    world = World()
    for each in nodes:
        world.add(NODES, each)
    for each in services:
        world.add(SERVICES, each)
    return world


def settle(world: World) -> World:
    world.run(servicelb.CONTROLLER)
    return world


def addresses(world: World, name: str = "web") -> list[str]:
    balancer = world.get(SERVICES, name)["status"].get("loadBalancer") or {}
    return [each["ip"] for each in balancer.get("ingress") or ()]


def test_a_service_gets_the_addresses_of_all_nodes() -> None:
    nodes = node("b", "127.77.0.10"), node("a", "127.77.0.2"), node("simulated", "")
    world = settle(world_with(service("web"), nodes=nodes))
    assert addresses(world) == ["127.77.0.2", "127.77.0.10"]
    assert world.told == [
        ("EnsuringLoadBalancer", "Ensuring load balancer"),
        ("EnsuredLoadBalancer", "Ensured load balancer"),
    ]


NONE = [
    world_with(service("web", type="NodePort")),
    world_with(service("web", loadBalancerClass="example.com/lb")),
    world_with(service("web"), nodes=()),
    world_with(service("web"), nodes=(node("n1", "203.0.113.1"),)),
    world_with(
        service("web"),
        nodes=(node("n1", "127.77.0.2", **{"node.kubernetes.io/exclude-from-external-load-balancers": ""}),),
    ),
]


@pytest.mark.parametrize("world", NONE, ids=["type", "class", "no node", "a stranger's node", "excluded"])
def test_who_gets_none(world: World) -> None:
    assert addresses(settle(world)) == [] and world.told == []


def test_a_port_is_one_services_and_the_other_is_told_whose() -> None:
    late = service("a", 443, 80, born="2024-01-02T00:00:00Z")
    world = settle(world_with(late, service("web", 80)))
    assert (addresses(world), addresses(world, "a")) == (["127.77.0.2"], [])
    failed = "Error syncing load balancer: failed to ensure load balancer: port 80/TCP is in use by service default/web"
    assert [told for told in world.told if told[0] == "SyncLoadBalancerFailed"] == [("SyncLoadBalancerFailed", failed)]
    del world.objects[SERVICES, "default", "web"]
    assert addresses(settle(world), "a") == ["127.77.0.2"]


def test_who_has_a_port_keeps_it() -> None:
    world = settle(world_with(service("web", born="2024-01-02T00:00:00Z")))
    world.add(SERVICES, service("older"))
    settle(world)
    assert (addresses(world), addresses(world, "older")) == (["127.77.0.2"], [])


def test_a_service_that_gets_nothing_is_in_nobodys_way() -> None:
    second = service("second", 80, 443, born="2024-01-02T00:00:00Z")
    third = service("third", 443, born="2024-01-03T00:00:00Z")
    world = settle(world_with(service("web", 80), second, third))
    assert (addresses(world, "second"), addresses(world, "third")) == ([], ["127.77.0.2"])


def test_a_node_port_is_not_given_a_second_time() -> None:
    world = settle(world_with(service("web", 30_443), service("other", 443, type="NodePort")))
    assert addresses(world) == []


def test_addresses_follow_the_nodes_and_the_type() -> None:
    world = settle(world_with(service("web")))
    world.get(NODES, "n1")["status"]["addresses"][1]["address"] = "127.77.5.2"
    assert addresses(settle(world)) == ["127.77.5.2"]
    world.get(SERVICES, "web")["spec"]["type"] = "ClusterIP"
    assert addresses(settle(world)) == []


def test_what_somebody_else_wrote_stays() -> None:
    web = service("web")
    web["status"] = {"loadBalancer": {"ingress": [{"ip": "198.51.100.8"}]}}
    named = service("named", 81)
    named["status"] = {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}
    world = settle(world_with(web, named))
    assert addresses(world) == ["198.51.100.8"] and world.done == []
