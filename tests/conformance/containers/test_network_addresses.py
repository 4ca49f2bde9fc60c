"""Beside upstream's list: the other ways in which Services get addresses and endpoints, in both proxy modes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.containers.nets import HTTP, UDP, Host, Net, endpoint_slice, net, port, server, service
from tests.conformance.kube import Kube, eventually

WEB = ("one", "two")


@pytest.fixture(scope="module")
def web(kube: Kube) -> Iterator[Net]:
    """Two servers, one that never gets ready, and a Pod that asks."""
    never = {"readinessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 60}}
    with net(kube) as found:
        pods = [server(name, labels={"app": "web"}) for name in WEB]
        found.start(*pods, server("unready", container=never, subdomain="unready"), server("asking"))
        yield found


@pytest.fixture(scope="module")
def host(kube: Kube) -> Host:
    return Host(kube)


def test_external_addresses_lead_to_the_pods_as_long_as_they_are_claimed(web: Net, proxy_mode: str) -> None:
    name, address = f"external-{proxy_mode}", "198.51.100.7"
    web.services.create(service(name, "web", port("http"), port("udp", 80, UDP, "UDP"), externalIPs=[address]))
    web.reach("asking", address, 80, WEB)
    web.reach("asking", address, 80, WEB, "udp")
    web.services.patch(name, {"spec": {"externalIPs": None}})
    web.unreachable("asking", address, 80)


def test_an_address_in_the_status_leads_to_the_pods(web: Net, proxy_mode: str) -> None:
    name, address = f"balanced-{proxy_mode}", "198.51.100.8"
    web.services.create(service(name, "web", type="LoadBalancer"))
    status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
    assert (
        web.services.patch(name, status, subresource="status")["status"]["loadBalancer"]["ingress"][0]["ip"] == address
    )
    web.reach("asking", address, 80, WEB)
    web.services.patch(name, {"status": {"loadBalancer": None}}, subresource="status")
    web.unreachable("asking", address, 80)
    web.services.delete(name)


def test_local_policies_find_the_pods_of_this_node(web: Net, proxy_mode: str, host: Host) -> None:
    name = f"local-{proxy_mode}"
    local = {"externalTrafficPolicy": "Local", "internalTrafficPolicy": "Local"}
    made = web.services.create(service(name, "web", type="NodePort", **local))["spec"]
    web.reach("asking", name, 80, WEB)
    web.reach("asking", host.internal, made["ports"][0]["nodePort"], WEB)
    host.reach(made["ports"][0]["nodePort"], WEB)
    web.services.delete(name)


def test_internal_policy_local_leaves_out_the_endpoints_of_other_nodes(web: Net, proxy_mode: str, host: Host) -> None:
    name = f"elsewhere-{proxy_mode}"
    web.services.create(service(name, "", internalTrafficPolicy="Local"))
    found = endpoint_slice(
        name, name, [web.ip("one"), web.ip("two")], {"name": "http", "port": HTTP, "protocol": "TCP"}
    )
    found["endpoints"][0]["nodeName"], found["endpoints"][1]["nodeName"] = host.node, "another-node"
    web.slices.create(found)
    web.reach("asking", name, 80, ["one"])
    web.services.patch(name, {"spec": {"internalTrafficPolicy": "Cluster"}})
    web.reach("asking", name, 80, WEB)


def test_pods_that_are_not_ready_are_published_on_demand(web: Net, proxy_mode: str) -> None:
    name = f"unready-{proxy_mode}"
    web.services.create(service(name, "unready"))
    of = {"labelSelector": f"kubernetes.io/service-name={name}"}
    web.slices.settled(lambda found: found and found[0]["endpoints"], **of)
    assert not web.dial("asking", name, 80).who
    web.services.patch(name, {"spec": {"publishNotReadyAddresses": True}})
    web.reach("asking", name, 80, ["unready"])


@pytest.mark.parametrize("label", ["service-proxy-name", "headless"])
def test_a_service_is_left_to_another_proxy_while_its_label_says_so(web: Net, proxy_mode: str, label: str) -> None:
    name = f"{label}-{proxy_mode}"
    address = web.services.create(service(name, "web"))["spec"]["clusterIP"]
    web.reach("asking", address, 80, WEB)
    web.services.patch(name, {"metadata": {"labels": {f"service.kubernetes.io/{label}": "another"}}})
    web.unreachable("asking", address, 80)
    web.services.patch(name, {"metadata": {"labels": {f"service.kubernetes.io/{label}": None}}})
    web.reach("asking", address, 80, WEB)


def test_endpoints_written_by_hand_are_served(web: Net, proxy_mode: str) -> None:
    name = f"by-hand-{proxy_mode}"
    web.services.create(service(name, ""))
    addresses = [{"ip": web.ip(each)} for each in WEB]
    ports = [{"name": "http", "port": HTTP, "protocol": "TCP"}]
    web.at("v1/endpoints").create({"metadata": {"name": name}, "subsets": [{"addresses": addresses, "ports": ports}]})
    web.reach("asking", name, 80, WEB)


def test_the_health_of_a_balanced_service_is_told_at_a_port_of_its_own(web: Net, host: Host) -> None:
    made = service("healthy", "web", type="LoadBalancer", externalTrafficPolicy="Local")
    number = web.services.create(made)["spec"]["healthCheckNodePort"]
    eventually(lambda: '"localEndpoints": 2' in host.ask(number, "/healthz"), lambda: host.ask(number, "/healthz"))
    inside = web.shell("asking", f"curl -s -w '%{{http_code}}' http://{host.internal}:{number}/")
    assert inside.endswith("200") and '"name": "healthy"' in inside
    web.services.patch("healthy", {"spec": {"selector": {"app": "nobody"}}})
    eventually(lambda: '"localEndpoints": 0' in host.ask(number))
    assert web.shell("asking", f"curl -s -o /dev/null -w '%{{http_code}}' http://{host.internal}:{number}/") == "503"
    web.services.delete("healthy")
    host.unreachable(number)
