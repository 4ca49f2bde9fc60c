"""NetworkPolicies between two real nodes: both judge a connection alike, in both proxy modes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.harness import Cluster, eventually, pod
from tests.e2e.inside import ASK, SERVE

pytestmark = pytest.mark.real
TRY = """
import json, socket, sys
out = []
for host, port in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        out.append(json.loads(socket.create_connection((host, int(port)), timeout=3).makefile().readline())[0])
    except (OSError, ValueError):
        out.append("")
print(json.dumps(out))
"""
"""Who answers at each address and port; "" where nobody does."""
WEB = {"podSelector": {"matchLabels": {"app": "web"}}}
FRIEND = {"podSelector": {"matchLabels": {"app": "friend"}}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server on the first node, behind a Service; a friend and a stranger on the second."""
    folder = tmp_path_factory.mktemp("policies")
    with Cluster(folder / "state", f"policies{os.getpid()}", nodes="2") as started:
        started.build_host_image(folder)
        ready = {"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}
        ports = [{"port": 80, "targetPort": 8080}]
        started.create(
            pod("web", "python3", "-c", SERVE, nodeName=started.name, container=ready),
            *(pod(name, "sleep", "infinity", nodeName=f"{started.name}-2") for name in ("friend", "stranger")),
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "web"},
                "spec": {"ports": ports, "selector": {"app": "web"}},
            },
        )
        started.wait_ready("web", "friend", "stranger")
        yield started


@pytest.fixture(params=["nftables", "userspace"])
def net(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    cluster.podling("proxy-mode", request.param).ok()
    yield cluster
    cluster.kubectl("delete", "networkpolicy", "--all").ok()


def heard(net: Cluster, client: str) -> list[str]:
    """Who answers the client at the server's own address and at its Service's."""
    address = net.json("get", "pod", "web")["status"]["podIP"]
    found: list[str] = inside(net, client, TRY, address, "8080", "web", "80")
    return found


def inside(net: Cluster, client: str, script: str, *words: str) -> Any:
    return json.loads(net.kubectl("exec", client, "--", "python3", "-c", script, *words).ok().out)


def policy(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }


def test_a_connection_between_nodes_needs_the_consent_of_both_ends(net: Cluster) -> None:
    assert heard(net, "stranger") == ["web", "web"]
    net.create(policy("deny", podSelector={}, policyTypes=["Ingress", "Egress"]))
    for client in ("friend", "stranger"):
        eventually(lambda client=client: heard(net, client) == ["", ""], 5, f"{client} hears nobody")
    assert inside(net, "stranger", ASK, "web.default.svc.cluster.local", "A")[0] == "NOERROR"
    net.create(policy("in", **WEB, ingress=[{"from": [FRIEND], "ports": [{"port": 8080}]}]))
    assert heard(net, "friend") == ["", ""]
    net.create(policy("out", **FRIEND, policyTypes=["Egress"], egress=[{"to": [WEB]}]))
    eventually(lambda: heard(net, "friend") == ["web", "web"], 5, "the friend hears the server")
    assert heard(net, "stranger") == ["", ""]
