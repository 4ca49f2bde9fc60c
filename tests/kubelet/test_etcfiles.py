"""The texts of hosts, hostname and resolv.conf."""

from __future__ import annotations

from typing import Any

import pytest

from podling.kubelet.etcfiles import hostname, hosts, resolv_conf
from tests.kubelet.pods import pod

CLUSTER = "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
NODE = "nameserver 192.0.2.1\nsearch example.org\n# a comment\noptions edns0 timeout:2\n"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, CLUSTER),
        ({"dnsPolicy": "ClusterFirst", "hostNetwork": True},
         "search example.org\nnameserver 192.0.2.1\noptions edns0 timeout:2\n"),
        ({"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True}, CLUSTER),
        ({"dnsPolicy": "Default"}, "search example.org\nnameserver 192.0.2.1\noptions edns0 timeout:2\n"),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.2.3.4"], "searches": ["a.b"],
                                             "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}},
         "search a.b\nnameserver 1.2.3.4\noptions ndots:2 edns0\n"),
        ({"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}}, CLUSTER.replace("ndots:5", "ndots:1")),
    ],
)  # fmt: skip
def test_resolv_conf(spec: dict[str, Any], expected: str) -> None:
    assert resolv_conf(pod(spec), "10.96.0.10", "cluster.local", NODE) == expected


def test_hosts_names_the_pod_and_its_aliases() -> None:
    aliased = pod({"hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}], "hostname": "h", "subdomain": "s"})
    text = hosts(aliased, "10.244.0.5", "cluster.local", "")
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert "10.244.0.5\th.s.default.svc.cluster.local\th\n" in text
    assert text.endswith("\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n")


def test_a_pod_in_the_nodes_network_takes_over_its_hosts() -> None:
    text = hosts(pod({"hostNetwork": True}), "172.31.0.2", "cluster.local", "127.0.0.1 localhost\n")
    assert text == "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [({}, "web"), ({"hostname": "h"}, "h"), ({"hostNetwork": True}, "n1"),
     ({"hostname": "h", "subdomain": "s", "setHostnameAsFQDN": True}, "h.s.default.svc.cluster.local")],
)  # fmt: skip
def test_the_host_name(spec: dict[str, Any], expected: str) -> None:
    assert hostname(pod(spec), "n1") == expected
