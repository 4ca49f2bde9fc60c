"""A Service of type LoadBalancer, used from this machine as a user would."""

from __future__ import annotations

import urllib.request

import pytest

from tests.e2e.harness import Cluster, eventually, pod

pytestmark = pytest.mark.real


def external(cluster: Cluster, name: str) -> str:
    """The column EXTERNAL-IP, "" while it is pending."""
    shown = cluster.kubectl("get", "service", name).ok().out.splitlines()[1].split()[3]
    return "" if shown == "<pending>" else shown


def test_a_balanced_service_answers_at_its_external_address(cluster: Cluster) -> None:
    server = ("sh", "-c", "mkdir /tmp/w; echo hello > /tmp/w/index.html; cd /tmp/w; exec python3 -m http.server 8080")
    cluster.create(pod("web", *server))
    cluster.wait_ready("web")
    cluster.kubectl("expose", "pod", "web", "--type=LoadBalancer", "--port=8085", "--target-port=8080").ok()
    address = eventually(lambda: external(cluster, "web"), 10, "an external address")
    assert address == cluster.podling("ip").ok().out.split()[-1]
    url = f"http://{address}:8085/"

    def answer() -> bytes:
        try:
            with urllib.request.urlopen(url, timeout=2) as found:
                return bytes(found.read())
        except OSError:
            return b""

    assert eventually(answer, 20, url) == b"hello\n"
    cluster.kubectl("expose", "pod", "web", "--name=again", "--type=LoadBalancer", "--port=8085").ok()
    eventually(
        lambda: "port 8085/TCP is in use by service default/web" in cluster.kubectl("describe", "svc", "again").out,
        10,
        "who has the port",
    )
    assert not external(cluster, "again")
    cluster.kubectl("delete", "service", "web").ok()
    assert eventually(lambda: external(cluster, "again"), 10, "the other's turn") == address
