"""kubectl port-forward, kubectl proxy and the proxy subresources of Pods, Services and Nodes."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from types import TracebackType
from typing import Self

import pytest

from tests.e2e.harness import BIN, Cluster, eventually, pod

pytestmark = pytest.mark.real
KUBECTL = str(BIN / "kubectl")
SERVER = """
import http.server, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{self.server.server_port} {self.path}".encode()
        self.send_response(200 if "missing" not in self.path else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Port", str(self.server.server_port))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.end_headers()
        self.wfile.write(body.upper())
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
servers = [http.server.ThreadingHTTPServer(("", port), Handler) for port in (8080, 8081)]
threading.Thread(target=servers[0].serve_forever).start()
servers[1].serve_forever()
"""


@pytest.fixture(scope="module")
def web(cluster: Cluster) -> str:
    """A Pod that serves HTTP on two ports, and a Service in front of it."""
    ports = [{"name": "http", "containerPort": 8080}, {"name": "other", "containerPort": 8081}]
    ready = {"tcpSocket": {"port": 8081}, "periodSeconds": 1}
    cluster.create(
        pod("web", "python3", "-c", SERVER, container={"ports": ports, "readinessProbe": ready}),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {
                "selector": {"app": "web"},
                "ports": [
                    {"name": "main", "port": 80, "targetPort": "http"},
                    {"name": "second", "port": 81, "targetPort": 8081},
                ],
            },
        },
    )
    cluster.wait_ready("web")
    return "web"


class Background:
    """kubectl in the background; `line(pattern)` waits for a line of its output."""

    def __init__(self, cluster: Cluster, *words: str) -> None:
        self.said = ""
        self._process = subprocess.Popen(
            [KUBECTL, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=cluster.env
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def line(self, pattern: str) -> re.Match[str]:
        assert self._process.stdout
        for line in self._process.stdout:
            self.said += line
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern!r} was not said, but {self.said!r}")


def get(port: int, path: str = "/") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def forwarded(background: Background, target: int) -> int:
    return int(background.line(rf"Forwarding from 127.0.0.1:(\d+) -> {target}").group(1))


# port-forward


def test_port_forward_of_several_ports(cluster: Cluster, web: str) -> None:
    with Background(cluster, "port-forward", "--address=127.0.0.1", f"pod/{web}", ":8080", ":8081") as forward:
        first, second = forwarded(forward, 8080), forwarded(forward, 8081)
        for _ in range(3):
            assert get(first, "/a") == "8080 /a"
            assert get(second, "/b") == "8081 /b"


def test_port_forward_to_a_service_finds_the_pods_port(cluster: Cluster, web: str) -> None:
    with Background(cluster, "port-forward", "--address=127.0.0.1", "service/web", ":80") as forward:
        assert get(forwarded(forward, 8080)) == "8080 /"


def test_a_forwarded_connection_stays_open_while_others_come_and_go(cluster: Cluster, web: str) -> None:
    with Background(cluster, "port-forward", "--address=127.0.0.1", web, ":8080") as forward:
        port = forwarded(forward, 8080)
        kept = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for round_ in range(3):
            kept.request("GET", f"/{round_}")
            assert kept.getresponse().read() == f"8080 /{round_}".encode()
            assert get(port, "/other") == "8080 /other"
        kept.close()


def test_a_refused_port_is_told(cluster: Cluster, web: str) -> None:
    """kubectl then ends by itself, whatever its other ports do."""
    with Background(cluster, "port-forward", "--address=127.0.0.1", web, ":9") as forward:
        with socket.create_connection(("127.0.0.1", forwarded(forward, 9)), timeout=10) as connection:
            connection.settimeout(10)
            assert _ended(connection)
        assert "refused" in forward.line("[Aa]n error occurred forwarding").string
        forward.line("lost connection to pod")


def _ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_megabytes_go_through_a_forwarded_port(cluster: Cluster, web: str) -> None:
    body = b"a" * 3_000_000
    with Background(cluster, "port-forward", "--address=127.0.0.1", web, ":8080") as forward:
        port = forwarded(forward, 8080)
        request = urllib.request.Request(f"http://127.0.0.1:{port}/", data=body, method="POST")
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.read() == body.upper()


def test_port_forward_to_a_pod_that_does_not_run(cluster: Cluster) -> None:
    cluster.create(pod("pends", image="127.0.0.1:9/none:1"))
    done = cluster.kubectl("port-forward", "pod/pends", ":80")
    assert done.code == 1
    assert "pod is not running. Current status=Pending" in done.err


# proxy subresources


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("pods/web/proxy/x?q=1", "8080 /x?q=1"),
        ("pods/web:8081/proxy/", "8081 /"),
        ("pods/http:web:8081/proxy/deep/er", "8081 /deep/er"),
        ("services/web:main/proxy/", "8080 /"),
        ("services/web:81/proxy/", "8081 /"),
        ("services/http:web:second/proxy/y", "8081 /y"),
    ],
)
def test_raw_get_through_the_proxy_subresources(cluster: Cluster, web: str, path: str, answer: str) -> None:
    assert cluster.kubectl("get", "--raw", f"/api/v1/namespaces/default/{path}").ok().out == answer


def test_a_port_of_the_node_answers_through_its_proxy(cluster: Cluster) -> None:
    node = cluster.json("get", "nodes")["items"][0]["metadata"]["name"]
    script = "import http.server as h; h.HTTPServer(('', 8765), h.SimpleHTTPRequestHandler).serve_forever()"
    ready = {"readinessProbe": {"tcpSocket": {"port": 8765}, "periodSeconds": 1}}
    cluster.create(pod("on-node", "python3", "-c", script, hostNetwork=True, container=ready))
    cluster.wait_ready("on-node")
    assert "Directory listing" in cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}:8765/proxy/").ok().out


def test_a_refused_port_behind_the_proxy_is_told(cluster: Cluster, web: str) -> None:
    done = cluster.kubectl("get", "--raw", "/api/v1/namespaces/default/pods/web:9/proxy/")
    assert done.code == 1
    assert "ServiceUnavailable" in done.err or "refused" in done.err


def test_a_service_without_endpoints_behind_the_proxy_is_told(cluster: Cluster) -> None:
    cluster.kubectl("create", "service", "clusterip", "lonely", "--tcp=80:80").ok()
    done = cluster.kubectl("get", "--raw", "/api/v1/namespaces/default/services/lonely/proxy/")
    assert done.code == 1
    assert 'no endpoints available for service "lonely"' in done.err


def test_kubectl_proxy_serves_the_api_and_what_is_behind_it(cluster: Cluster, web: str) -> None:
    with Background(cluster, "proxy", "--port=0") as proxy:
        port = int(proxy.line(r"127\.0\.0\.1:(\d+)").group(1))
        assert '"gitVersion": "v1.37.1"' in get(port, "/version")
        assert '"kind":"PodList"' in get(port, "/api/v1/namespaces/default/pods").replace(" ", "").replace("\n", "")
        assert get(port, "/api/v1/namespaces/default/services/web:main/proxy/z") == "8080 /z"
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(port, "/api/v1/namespaces/default/services/web:main/proxy/missing")
        assert caught.value.code == 404
        assert caught.value.headers["X-Port"] == "8080"


def test_a_post_through_kubectl_proxy_carries_its_body(cluster: Cluster, web: str) -> None:
    with Background(cluster, "proxy", "--port=0") as proxy:
        port = int(proxy.line(r"127\.0\.0\.1:(\d+)").group(1))
        url = f"http://127.0.0.1:{port}/api/v1/namespaces/default/pods/web:8080/proxy/"
        request = urllib.request.Request(url, data=b"shout", method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert (answer.status, answer.read()) == (201, b"SHOUT")


def test_a_watch_through_kubectl_proxy_delivers_at_once(cluster: Cluster) -> None:
    with Background(cluster, "proxy", "--port=0") as proxy:
        port = int(proxy.line(r"127\.0\.0\.1:(\d+)").group(1))
        url = f"http://127.0.0.1:{port}/api/v1/namespaces/default/configmaps?watch=true"
        with urllib.request.urlopen(url, timeout=10) as watch:
            cluster.kubectl("create", "configmap", "seen", "--from-literal=a=b").ok()
            created = time.monotonic()
            eventually(lambda: b'"name":"seen"' in watch.readline(), 5, "the event")
            assert time.monotonic() - created < 1
