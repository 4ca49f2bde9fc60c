"""sig-node: /etc/hosts, which the kubelet writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.containers.pods import IMAGE, finished, log, pod
from tests.conformance.kube import Json, Kube

MANAGED = "# Kubernetes-managed hosts file."
READS = {"image": IMAGE, "command": ["cat", "/etc/hosts"]}


@pytest.mark.conformance(
    "[sig-node] Kubelet when scheduling an agnhost Pod with hostAliases should write entries to /etc/hosts"
    " [Conformance] [NodeConformance]"
)
def test_aliases_are_in_etc_hosts(kube: Kube, namespace: str) -> None:
    aliases = [{"ip": "123.45.67.89", "hostnames": ["foo", "bar"]}, {"ip": "10.1.2.3", "hostnames": ["alias.example"]}]
    lines = finished(kube, namespace, pod("p", "cat /etc/hosts", hostAliases=aliases)).splitlines()
    assert lines[0] == MANAGED
    assert {"123.45.67.89\tfoo\tbar", "10.1.2.3\talias.example"} <= set(lines)


def ended(kube: Kube, namespace: str, body: Json) -> Json:
    """The Pod once it has ended well."""
    pods = kube.at("v1/pods", namespace)
    pods.create(body)
    return pods.until(body["metadata"]["name"], lambda found: found["status"].get("phase") == "Succeeded")


@pytest.mark.conformance(
    "[sig-node] KubeletManagedEtcHosts should test kubelet managed /etc/hosts file [Conformance] [NodeConformance]"
)
def test_etc_hosts_is_the_kubelets_unless_a_container_or_the_network_brings_one(kube: Kube, namespace: str) -> None:
    of_node = {"name": "of-node", "hostPath": {"path": "/etc/hosts", "type": "File"}}
    mounted = {"volumeMounts": [{"name": "of-node", "mountPath": "/etc/hosts"}]}
    containers = [{"name": "one", **READS}, {"name": "two", **READS}, {"name": "own", **READS, **mounted}]
    made = ended(kube, namespace, pod("apart", "", containers=containers, volumes=[of_node]))
    one, two, own = (log(kube, namespace, "apart", name) for name in ("one", "two", "own"))
    assert one == two and one.startswith(MANAGED)
    assert f"{made['status']['podIP']}\tapart" in one.splitlines()
    assert own == Path("/etc/hosts").read_text()

    at_home = finished(kube, namespace, pod("at-home", "cat /etc/hosts", hostNetwork=True))
    assert at_home == f"# Kubernetes-managed hosts file (host network).\n{own}"
