"""sig-node: commands and logs over WebSockets, by a client that knows nothing of Kubernetes."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import yaml
from websocket import ABNF, WebSocket, create_connection

from tests.conformance.containers.asking import LINGERS
from tests.conformance.containers.pods import pod
from tests.conformance.kube import Kube
from tests.e2e.harness import Cluster


@pytest.fixture
def running(kube: Kube, namespace: str) -> str:
    """The path of a Pod that has spoken."""
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p", f"echo container is alive; {LINGERS}"))
    pods.until("p", lambda found: found["status"].get("phase") == "Running")
    return f"{pods.path}/p"


def opened(cluster: Cluster, path: str, protocol: str, **query: object) -> WebSocket:
    """A connection of the administrator's, whose pair the fixture `kube` has written."""
    config = yaml.safe_load(Path(cluster.env["KUBECONFIG"]).read_text())
    server = config["clusters"][0]["cluster"]["server"].replace("https://", "wss://")
    # Who the server is was checked by the fixture's own client already.
    trust = {"cert_reqs": ssl.CERT_NONE, "certfile": str(cluster.root / "administrator.pem")}
    url = f"{server}{path}?{urlencode(query, doseq=True)}"
    return create_connection(url, subprotocols=[protocol], sslopt=trust, timeout=20)


def messages(socket: WebSocket) -> Iterator[bytes]:
    """Until the server closes."""
    while True:
        opcode, data = socket.recv_data()
        if opcode == ABNF.OPCODE_CLOSE:
            return
        assert opcode == ABNF.OPCODE_BINARY
        yield data


@pytest.mark.conformance(
    "[sig-node] Pods should support remote command execution over websockets [Conformance] [NodeConformance]"
)
def test_a_command_answers_on_the_channels_of_a_websocket(kube: Kube, cluster: Cluster, running: str) -> None:
    command = ["sh", "-c", "echo remote execution test; echo aside >&2; exit 3"]
    socket = opened(cluster, f"{running}/exec", "v4.channel.k8s.io", stdout=1, stderr=1, container="c", command=command)
    assert socket.getsubprotocol() == "v4.channel.k8s.io"
    heard: dict[int, bytes] = {}
    for message in messages(socket):
        heard[message[0]] = heard.get(message[0], b"") + message[1:]
    assert heard[1] == b"remote execution test\n"
    assert heard[2] == b"aside\n"
    assert json.loads(heard[3])["reason"] == "NonZeroExitCode"


@pytest.mark.conformance(
    "[sig-node] Pods should support retrieving logs from the container over websockets [Conformance] [NodeConformance]"
)
def test_a_log_is_read_over_a_websocket(kube: Kube, cluster: Cluster, running: str) -> None:
    socket = opened(cluster, f"{running}/log", "binary.k8s.io", container="c")
    assert socket.getsubprotocol() == "binary.k8s.io"
    assert b"".join(messages(socket)) == b"container is alive\n"
