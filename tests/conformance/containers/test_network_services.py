"""sig-network: what Services lead to, in both proxy modes: kernel rules and relays."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.conformance.containers.nets import HTTP, UDP, Host, Net, endpoint_slice, net, port, server, service
from tests.conformance.kube import Json, Kube, eventually

WEB = ("one", "two", "three")


@pytest.fixture(scope="module")
def web(kube: Kube) -> Iterator[Net]:
    """Three servers of one app, and a Pod that asks."""
    with net(kube) as found:
        found.start(*(server(name, labels={"app": "web"}) for name in WEB), server("asking"))
        yield found


@pytest.fixture(scope="module")
def host(kube: Kube) -> Host:
    return Host(kube)


def ready(slices: list[Json]) -> set[tuple[str, int]]:
    return {
        (endpoint["addresses"][0], found["port"])
        for each in slices
        for found in each.get("ports") or []
        for endpoint in each.get("endpoints") or []
        if endpoint["conditions"]["ready"]
    }


@pytest.mark.conformance("[sig-network] Services should serve a basic endpoint from pods [Conformance]")
def test_a_service_follows_its_pods(web: Net, proxy_mode: str) -> None:
    name = f"basic-{proxy_mode}"
    web.services.create(service(name, name))
    of = {"labelSelector": f"kubernetes.io/service-name={name}"}
    web.slices.settled(lambda found: len(found) == 1 and ready(found) == set(), **of)
    web.unreachable("asking", name, 80)
    first, second = server(f"{name}-1", labels={"app": name}), server(f"{name}-2", labels={"app": name})
    first_ip = web.start(first)[f"{name}-1"]
    web.slices.settled(lambda found: ready(found) == {(first_ip, HTTP)}, **of)
    web.reach("asking", name, 80, [f"{name}-1"])
    second_ip = web.start(second)[f"{name}-2"]
    web.slices.settled(lambda found: ready(found) == {(first_ip, HTTP), (second_ip, HTTP)}, **of)
    web.reach("asking", name, 80, [f"{name}-1", f"{name}-2"])
    web.pods.delete(f"{name}-1")
    web.reach("asking", name, 80, [f"{name}-2"])
    web.pods.delete(f"{name}-2")
    web.slices.settled(lambda found: ready(found) == set(), **of)
    web.unreachable("asking", name, 80)


@pytest.mark.conformance("[sig-network] Services should serve multiport endpoints from pods [Conformance]")
def test_each_port_of_a_service_leads_to_the_pods_that_have_it(web: Net, proxy_mode: str) -> None:
    name = f"multiport-{proxy_mode}"
    words = (f"http={HTTP},100,101",)

    def with_port(pod: str, called: str, number: int) -> Json:
        ports = [{"name": called, "containerPort": number}]
        return server(pod, *words, labels={"app": name}, container={"ports": ports})

    web.services.create(service(name, name, port("first", 80, "first"), port("second", 81, "second")))
    found = web.start(with_port(f"{name}-1", "first", 100), with_port(f"{name}-2", "second", 101))
    first, second = (found[f"{name}-{number}"] for number in (1, 2))
    of = {"labelSelector": f"kubernetes.io/service-name={name}"}
    web.slices.settled(lambda slices: ready(slices) == {(first, 100), (second, 101)}, **of)
    web.reach("asking", name, 80, [f"{name}-1"])
    web.reach("asking", name, 81, [f"{name}-2"])
    web.pods.delete(f"{name}-1")
    web.unreachable("asking", name, 80)
    web.reach("asking", name, 81, [f"{name}-2"])
    web.pods.delete(f"{name}-2")


@pytest.mark.conformance(
    "[sig-network] Services should serve endpoints on same port and different protocols [Conformance]"
)
def test_one_port_number_serves_two_protocols(web: Net, proxy_mode: str) -> None:
    name = f"protocols-{proxy_mode}"
    tcp, udp = port("tcp", 80, HTTP), port("udp", 80, UDP, "UDP")
    web.services.create(service(name, "web", tcp, udp))
    web.reach("asking", name, 80, WEB)
    web.reach("asking", name, 80, WEB, "udp")
    web.services.patch(name, {"spec": {"ports": [tcp]}})
    web.unreachable("asking", name, 80, "udp")
    web.reach("asking", name, 80, WEB)
    web.services.patch(name, {"spec": {"ports": [udp]}})
    web.reach("asking", name, 80, WEB, "udp")
    web.unreachable("asking", name, 80)


@pytest.mark.conformance("[sig-network] Services should be able to create a functioning NodePort service [Conformance]")
def test_a_node_port_answers_on_the_node_and_on_this_machine(web: Net, proxy_mode: str, host: Host) -> None:
    name = f"noded-{proxy_mode}"
    made = web.services.create(service(name, "web", port("http"), port("udp", 80, UDP, "UDP"), type="NodePort"))
    tcp, udp = made["spec"]["ports"]
    assert tcp["nodePort"] == udp["nodePort"] and 30000 <= tcp["nodePort"] < 32768
    web.reach("asking", name, 80, WEB)
    web.reach("asking", made["spec"]["clusterIP"], 80, WEB)
    web.reach("asking", host.internal, tcp["nodePort"], WEB)
    web.reach("asking", host.internal, udp["nodePort"], WEB, "udp")
    host.reach(tcp["nodePort"], WEB)
    eventually(lambda: host.say(udp["nodePort"]) in WEB)
    web.services.delete(name)
    host.unreachable(tcp["nodePort"])
    web.unreachable("asking", host.internal, tcp["nodePort"])


@pytest.mark.conformance(
    "[sig-network] EndpointSlice should support a Service with multiple ports specified in multiple EndpointSlices"
    " [Conformance]"
)
def test_a_service_takes_each_port_from_another_slice(web: Net, proxy_mode: str) -> None:
    name = f"ports-{proxy_mode}"
    web.services.create(service(name, "", port("first", 80), port("second", 81)))
    first, second = ({"name": called, "port": HTTP, "protocol": "TCP"} for called in ("first", "second"))
    web.slices.create(endpoint_slice(f"{name}-1", name, [web.ip("one")], first))
    web.slices.create(endpoint_slice(f"{name}-2", name, [web.ip("two")], second))
    web.reach("asking", name, 80, ["one"])
    web.reach("asking", name, 81, ["two"])


@pytest.mark.conformance(
    "[sig-network] EndpointSlice should support a Service with multiple endpoint IPs specified in multiple"
    " EndpointSlices [Conformance]"
)
def test_a_service_adds_up_the_addresses_of_all_its_slices(web: Net, proxy_mode: str) -> None:
    name = f"addresses-{proxy_mode}"
    web.services.create(service(name, "", port("http")))
    http = {"name": "http", "port": HTTP, "protocol": "TCP"}
    web.slices.create(endpoint_slice(f"{name}-1", name, [web.ip("one"), web.ip("two")], http))
    web.slices.create(endpoint_slice(f"{name}-2", name, [web.ip("three"), web.ip("two")], http))
    web.reach("asking", name, 80, WEB)
    web.slices.delete(f"{name}-1")
    web.reach("asking", name, 80, ["two", "three"])
    web.slices.patch(f"{name}-2", {"endpoints": [{"addresses": [web.ip("one")]}]})
    web.reach("asking", name, 80, ["one"])


@pytest.mark.conformance("[sig-network] Service endpoints latency should not be very high [Conformance]")
def test_endpoints_of_new_services_come_quickly(web: Net) -> None:
    seconds: list[float] = []
    version = web.slices.list()["metadata"]["resourceVersion"]
    with web.slices.watch(resourceVersion=version) as watch:
        for number in range(50):
            began = time.monotonic()
            name = web.services.create(service(f"latency-{number}", "web"))["metadata"]["name"]
            watch.until("ADDED", lambda body, name=name: is_complete(body, name))  # type: ignore[misc]
            seconds.append(time.monotonic() - began)
    seconds.sort()
    # Upstream allows 20 s for half of them and 50 s for all but one in a hundred.
    assert seconds[25] < 0.5 and seconds[-1] < 5, seconds
    web.services.delete_all(fieldSelector="metadata.name!=kubernetes")


def is_complete(found: Json, name: str) -> bool:
    return found["metadata"]["labels"]["kubernetes.io/service-name"] == name and len(ready([found])) == len(WEB)


@pytest.mark.conformance(
    "[sig-network] API Server should have Endpoints and EndpointSlices pointing to API Server [Conformance]"
)
def test_the_api_is_behind_a_service_of_its_own(kube: Kube, web: Net) -> None:
    assert kube.at("v1/services", "default").get("kubernetes")["spec"]["ports"][0]["port"] == 443
    subsets = kube.at("v1/endpoints", "default").get("kubernetes")["subsets"]
    of = {"labelSelector": "kubernetes.io/service-name=kubernetes"}
    slices = kube.at("discovery.k8s.io/v1/endpointslices", "default").items(**of)
    told = {(a["ip"], p["port"], p["name"]) for each in subsets for a in each["addresses"] for p in each["ports"]}
    sliced = {
        (address, p["port"], p["name"])
        for each in slices
        for endpoint in each["endpoints"]
        for address in endpoint["addresses"]
        for p in each["ports"]
    }
    assert told and told == sliced
    ask = "curl -ks https://kubernetes.default.svc/version"
    assert '"gitVersion"' in web.shell("asking", ask)
