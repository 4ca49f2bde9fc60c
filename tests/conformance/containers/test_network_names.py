"""Beside upstream's list: the other ways in which a Pod gets its names and nameservers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.containers.nets import HTTP, Net, net, port, server, service
from tests.conformance.kube import Json, Kube, eventually

ON_NODE = 18091


@pytest.fixture(scope="module")
def names(kube: Kube) -> Iterator[Net]:
    with net(kube) as found:
        found.services.create(service("heads", "heads", port("http", HTTP), clusterIP="None"))
        config: Json = {"searches": ["example.test"], "nameservers": ["10.96.0.99"], "options": [{"name": "timeout"}]}
        labels = {"app": "heads"}
        never = {"readinessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 60}}
        for each in (
            server("whole", labels=labels, subdomain="heads", setHostnameAsFQDN=True),
            server("more", dnsConfig=config),
            server("outside", dnsPolicy="Default"),
            server("unready", labels=labels, hostname="later", subdomain="heads", container=never),
            server("aliased", hostAliases=[{"ip": "192.0.2.5", "hostnames": ["five", "five.test"]}]),
            server("on-node", f"http={ON_NODE}", hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"),
        ):
            found.pods.create(each)
        for name in ("whole", "more", "outside", "unready", "aliased", f"on-node:{ON_NODE}"):
            found.serves(name)
        yield found


def test_a_pod_may_have_its_whole_name_as_hostname(names: Net) -> None:
    whole = f"whole.heads.{names.namespace}.svc.cluster.local"
    assert names.shell("whole", "hostname").strip() == whole
    assert names.shell("whole", "getent -s files hosts whole").split() == [names.ip("whole"), whole, "whole"]


def test_dns_config_adds_to_what_the_policy_gives(names: Net) -> None:
    zone = f"{names.namespace}.svc.cluster.local"
    assert names.shell("more", "cat /etc/resolv.conf").splitlines() == [
        f"search {zone} svc.cluster.local cluster.local example.test",
        "nameserver 10.96.0.10",
        "nameserver 10.96.0.99",
        "options ndots:5 timeout",
    ]


def test_policy_default_gives_the_nodes_own_nameservers(names: Net) -> None:
    text = names.shell("outside", "cat /etc/resolv.conf")
    assert "10.96.0.10" not in text and "cluster.local" not in text


def test_a_pod_in_the_nodes_network_finds_services_where_it_asks_for_it(names: Net) -> None:
    client = f"on-node:{ON_NODE}"
    names.services.create(service("web", "whole-not", port("http")))
    address = names.services.get("web")["spec"]["clusterIP"]
    eventually(lambda: names.shell(client, "getent ahostsv4 web | cut -d' ' -f1 | sort -u").split() == [address])
    assert "# Kubernetes-managed hosts file (host network)." in names.shell(client, "cat /etc/hosts")


def test_only_ready_pods_have_names_unless_the_service_says_otherwise(names: Net) -> None:
    zone = f"heads.{names.namespace}.svc.cluster.local"
    names.resolves("more", zone, "A", [names.ip("whole")])
    assert names.lookup("more", f"later.{zone}", "A") == ("NXDOMAIN", [])
    names.services.patch("heads", {"spec": {"publishNotReadyAddresses": True}})
    names.resolves("more", zone, "A", [names.ip("whole"), names.ip("unready")])
    names.resolves("more", f"later.{zone}", "A", [names.ip("unready")])


def test_host_aliases_are_names_of_this_pod_alone(names: Net) -> None:
    assert names.shell("aliased", "getent hosts five.test").split()[0] == "192.0.2.5"
    assert names.shell("more", "getent hosts five.test || echo none").strip() == "none"
