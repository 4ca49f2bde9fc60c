"""sig-network: names of Services, Pods and outside hosts, as a Pod resolves them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.containers.nets import HTTP, Net, net, port, server, service
from tests.conformance.containers.pods import finished, pod
from tests.conformance.kube import Kube


@pytest.fixture(scope="module")
def names(kube: Kube) -> Iterator[Net]:
    """A Pod that asks, and is itself known by hostname and subdomain."""
    with net(kube) as found:
        found.services.create(service("heads", "asking", port("http", HTTP), clusterIP="None"))
        found.start(server("asking", hostname="querier", subdomain="heads"))
        yield found


def reverse(address: str) -> str:
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa"


@pytest.mark.conformance("[sig-network] DNS should provide DNS for the cluster [Conformance]")
def test_the_api_has_a_name_and_so_has_every_pod(names: Net, kube: Kube) -> None:
    address = kube.at("v1/services", "default").get("kubernetes")["spec"]["clusterIP"]
    for name in ("kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"):
        assert names.shell("asking", f"getent ahostsv4 {name} | cut -d' ' -f1 | sort -u").split() == [address]
    for protocol in ("udp", "tcp"):
        found = names.lookup("asking", "kubernetes.default.svc.cluster.local", "A", protocol)
        assert found == ("NOERROR", [address])
        pod_name = f"{names.ip('asking').replace('.', '-')}.{names.namespace}.pod.cluster.local"
        assert names.lookup("asking", pod_name, "A", protocol) == ("NOERROR", [names.ip("asking")])


@pytest.mark.conformance("[sig-network] DNS should provide /etc/hosts entries for the cluster [Conformance]")
def test_a_pod_finds_itself_in_its_hosts_file(names: Net) -> None:
    whole = f"querier.heads.{names.namespace}.svc.cluster.local"
    for name in (whole, "querier"):
        lines = names.shell("asking", f"getent -s files hosts {name}").split()
        assert lines == [names.ip("asking"), whole, "querier"]
    assert names.shell("asking", "hostname").strip() == "querier"
    assert names.shell("asking", "hostname -f").strip() == whole


@pytest.mark.conformance("[sig-network] DNS should provide DNS for services [Conformance]")
def test_services_have_addresses_ports_and_reverse_names(names: Net) -> None:
    made = names.services.create(service("web", "asking", port("http"), port("other", 81, HTTP, "UDP")))
    address, zone = made["spec"]["clusterIP"], f"{names.namespace}.svc.cluster.local"
    names.resolves("asking", f"web.{zone}", "A", [address])
    names.resolves("asking", f"_http._tcp.web.{zone}", "SRV", [[80, f"web.{zone}"]])
    names.resolves("asking", f"_other._udp.web.{zone}", "SRV", [[81, f"web.{zone}"]])
    names.resolves("asking", reverse(address), "PTR", [f"web.{zone}"])
    assert names.lookup("asking", f"_http._udp.web.{zone}", "SRV") == ("NXDOMAIN", [])
    names.resolves("asking", f"heads.{zone}", "A", [names.ip("asking")])
    names.resolves("asking", f"_http._tcp.heads.{zone}", "SRV", [[HTTP, f"querier.heads.{zone}"]])
    names.resolves("asking", reverse(names.ip("asking")), "PTR", [f"querier.heads.{zone}"])
    assert names.lookup("asking", f"web.{zone}", "A", "tcp") == ("NOERROR", [address])


@pytest.mark.conformance(
    "[sig-network] DNS should resolve DNS of partial qualified names for services [LinuxOnly] [Conformance]"
)
def test_the_search_path_completes_names(names: Net) -> None:
    address = names.services.create(service("partial", "asking"))["spec"]["clusterIP"]
    zone = f"{names.namespace}.svc.cluster.local"
    names.resolves("asking", f"partial.{zone}", "A", [address])
    for name in ("partial", f"partial.{names.namespace}", f"partial.{names.namespace}.svc", f"partial.{zone}."):
        assert names.shell("asking", f"getent ahostsv4 {name} | cut -d' ' -f1 | sort -u").split() == [address]
        assert names.dial("asking", name, 80).heard == ["querier"]
    assert f"search {zone} svc.cluster.local cluster.local\n" in names.shell("asking", "cat /etc/resolv.conf")
    # A name that means something only in another namespace is none here.
    assert names.shell("asking", "getent ahostsv4 kubernetes || echo none").strip() == "none"


@pytest.mark.conformance("[sig-network] DNS should provide DNS for pods for Hostname [Conformance]")
def test_a_pod_with_a_hostname_is_found_below_its_service(names: Net) -> None:
    name = f"querier.heads.{names.namespace}.svc.cluster.local"
    names.resolves("asking", name, "A", [names.ip("asking")])
    assert names.lookup("asking", name, "A", "tcp") == ("NOERROR", [names.ip("asking")])


@pytest.mark.conformance("[sig-network] DNS should provide DNS for pods for Subdomain [Conformance]")
def test_a_subdomain_is_the_name_of_a_headless_service(names: Net) -> None:
    zone = f"{names.namespace}.svc.cluster.local"
    names.services.create(service("below", "below", port("http", HTTP), clusterIP="None"))
    found = names.start(server("inner", labels={"app": "below"}, hostname="first", subdomain="below"))
    names.resolves("asking", f"below.{zone}", "A", [found["inner"]])
    names.resolves("asking", f"first.below.{zone}", "A", [found["inner"]])
    assert names.dial("asking", f"first.below.{names.namespace}", HTTP).heard == ["first"]
    assert names.lookup("asking", f"inner.below.{zone}", "A") == ("NXDOMAIN", [])


@pytest.mark.conformance("[sig-network] DNS should provide DNS for ExternalName services [Conformance]")
def test_an_external_name_is_an_alias_until_it_gets_an_address(names: Net) -> None:
    made = service("outside", "", type="ExternalName", externalName="foo.example.com")
    made["spec"].pop("ports")
    names.services.create(made)
    name = f"outside.{names.namespace}.svc.cluster.local"
    names.resolves("asking", name, "CNAME", ["foo.example.com"])
    names.services.patch("outside", {"spec": {"externalName": "bar.example.com"}})
    names.resolves("asking", name, "CNAME", ["bar.example.com"])
    ports = [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": HTTP}]
    changed = names.services.patch("outside", {"spec": {"type": "ClusterIP", "externalName": "", "ports": ports}})
    names.resolves("asking", name, "A", [changed["spec"]["clusterIP"]])
    assert names.lookup("asking", name, "CNAME") == ("NOERROR", [])


@pytest.mark.conformance("[sig-network] DNS should support configurable pod DNS nameservers [Conformance]")
def test_a_pod_may_bring_its_own_nameservers(kube: Kube, names: Net) -> None:
    config = {
        "nameservers": ["1.1.1.1"],
        "searches": ["resolv.conf.local"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
    }
    own = pod("own", "cat /etc/resolv.conf", dnsPolicy="None", dnsConfig=config)
    assert finished(kube, names.namespace, own).splitlines() == [
        "search resolv.conf.local",
        "nameserver 1.1.1.1",
        "options ndots:2 edns0",
    ]
