"""sig-network: clients that stay with their Pod, and Services that change what they are, in both proxy modes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.containers.nets import HTTP, Host, Net, net, port, server, service
from tests.conformance.kube import Json, Kube, eventually

WEB = ("one", "two", "three")
CONNECTIONS = 15


@pytest.fixture(scope="module")
def web(kube: Kube) -> Iterator[Net]:
    with net(kube) as found:
        found.start(*(server(name, labels={"app": "web"}) for name in WEB), server("asking"))
        found.services.create(service("target", "web"))
        yield found


@pytest.fixture(scope="module")
def host(kube: Kube) -> Host:
    return Host(kube)


def stays(web: Net, address: str, number: int) -> None:
    """Waits until all connections of a client come to one Pod."""

    def holds() -> bool:
        answers = web.dial("asking", address, number, CONNECTIONS)
        return len(answers.who) == 1 and not answers.failures

    eventually(holds)


def switches(web: Net, name: str, address: str, number: int) -> None:
    stays(web, address, number)
    web.services.patch(name, {"spec": {"sessionAffinity": "None"}})
    web.reach("asking", address, number, WEB)
    web.services.patch(name, {"spec": {"sessionAffinity": "ClientIP"}})
    stays(web, address, number)


def sticky(web: Net, name: str, **spec: object) -> Json:
    made = web.services.create(service(name, "web", sessionAffinity="ClientIP", **spec))["spec"]
    assert made["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    return made


@pytest.mark.conformance(
    "[sig-network] Services should have session affinity work for service with type clusterIP [LinuxOnly] [Conformance]"
)
def test_a_client_stays_with_its_pod(web: Net, proxy_mode: str) -> None:
    stays(web, sticky(web, f"sticky-{proxy_mode}")["clusterIP"], 80)


@pytest.mark.conformance(
    "[sig-network] Services should be able to switch session affinity for service with type clusterIP"
    " [LinuxOnly] [Conformance]"
)
def test_affinity_is_switched_off_and_on(web: Net, proxy_mode: str) -> None:
    name = f"switched-{proxy_mode}"
    switches(web, name, sticky(web, name)["clusterIP"], 80)


@pytest.mark.conformance(
    "[sig-network] Services should have session affinity work for NodePort service [LinuxOnly] [Conformance]"
)
def test_a_client_of_a_node_port_stays_with_its_pod(web: Net, proxy_mode: str, host: Host) -> None:
    number = sticky(web, f"sticky-node-{proxy_mode}", type="NodePort")["ports"][0]["nodePort"]
    stays(web, host.internal, number)
    eventually(lambda: host.ask(number))
    assert len({host.ask(number) for _ in range(CONNECTIONS)}) == 1


@pytest.mark.conformance(
    "[sig-network] Services should be able to switch session affinity for NodePort service [LinuxOnly] [Conformance]"
)
def test_affinity_of_a_node_port_is_switched_off_and_on(web: Net, proxy_mode: str, host: Host) -> None:
    name = f"switched-node-{proxy_mode}"
    number = sticky(web, name, type="NodePort")["ports"][0]["nodePort"]
    switches(web, name, host.internal, number)
    web.services.patch(name, {"spec": {"sessionAffinity": "None"}})
    host.reach(number, WEB)


def alias(web: Net, name: str) -> Json:
    """An ExternalName of a Service that is there."""
    made = service(name, "", type="ExternalName", externalName=target(web))
    made["spec"].pop("ports")
    return web.services.create(made)


def target(web: Net) -> str:
    return f"target.{web.namespace}.svc.cluster.local"


def become_alias(web: Net, name: str, before: Json) -> None:
    """Change the Service to an ExternalName; its address is given back and answers no more."""
    spec = {"type": "ExternalName", "externalName": target(web)}
    changed = web.services.patch(name, {"spec": spec})["spec"]
    assert changed["type"] == "ExternalName" and "clusterIP" not in changed and "clusterIPs" not in changed
    web.resolves("asking", f"{name}.{web.namespace}.svc.cluster.local", "CNAME", [target(web)])
    web.reach("asking", name, 80, WEB)
    web.unreachable("asking", before["clusterIP"], 80)


@pytest.mark.conformance(
    "[sig-network] Services should be able to change the type from ExternalName to ClusterIP [Conformance]"
)
def test_an_external_name_becomes_an_address(web: Net, proxy_mode: str) -> None:
    name = f"external-cluster-{proxy_mode}"
    assert "clusterIP" not in alias(web, name)["spec"]
    web.reach("asking", name, 80, WEB)
    spec = {"type": "ClusterIP", "externalName": None, "selector": {"app": "web"}, "ports": [port("http", 8088, HTTP)]}
    address = web.services.patch(name, {"spec": spec})["spec"]["clusterIP"]
    web.resolves("asking", f"{name}.{web.namespace}.svc.cluster.local", "A", [address])
    web.reach("asking", name, 8088, WEB)


@pytest.mark.conformance(
    "[sig-network] Services should be able to change the type from ClusterIP to ExternalName [Conformance]"
)
def test_an_address_becomes_an_external_name(web: Net, proxy_mode: str) -> None:
    name = f"cluster-external-{proxy_mode}"
    before = web.services.create(service(name, "web"))["spec"]
    web.reach("asking", before["clusterIP"], 80, WEB)
    become_alias(web, name, before)


@pytest.mark.conformance(
    "[sig-network] Services should be able to change the type from ExternalName to NodePort [Conformance]"
)
def test_an_external_name_becomes_a_node_port(web: Net, proxy_mode: str, host: Host) -> None:
    name = f"external-node-{proxy_mode}"
    alias(web, name)
    spec = {"type": "NodePort", "externalName": None, "selector": {"app": "web"}, "ports": [port("http")]}
    number = web.services.patch(name, {"spec": spec})["spec"]["ports"][0]["nodePort"]
    web.reach("asking", name, 80, WEB)
    web.reach("asking", host.internal, number, WEB)
    host.reach(number, WEB)


@pytest.mark.conformance(
    "[sig-network] Services should be able to change the type from NodePort to ExternalName [Conformance]"
)
def test_a_node_port_becomes_an_external_name(web: Net, proxy_mode: str, host: Host) -> None:
    name = f"node-external-{proxy_mode}"
    before = web.services.create(service(name, "web", type="NodePort"))["spec"]
    number = before["ports"][0]["nodePort"]
    host.reach(number, WEB)
    become_alias(web, name, before)
    assert "nodePort" not in web.services.get(name)["spec"]["ports"][0]
    host.unreachable(number)
    web.unreachable("asking", host.internal, number)
