"""sig-network: HTTP through the API server to Pods and Services, by number and by name, with and without a path."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from podling.env import SystemEnv
from podling.pki.ca import CertificateAuthority
from tests.conformance.containers.nets import HTTP, Net, net, port, server, service
from tests.conformance.kube import Kube

HTTPS = 8443
WRITING = ("DELETE", "OPTIONS", "PATCH", "POST", "PUT")


@pytest.fixture(scope="module")
def web(kube: Kube) -> Iterator[Net]:
    """A Pod `web` that serves HTTP and HTTPS, and a Service of this name before it with ports of every kind."""
    now = SystemEnv().now()
    pair = CertificateAuthority.create("tests", now).serving("web", ["web"], now)
    keys = {
        "env": [{"name": "TLS", "value": (pair.key + pair.certificate).decode()}],
        "ports": [{"name": "first", "containerPort": HTTP}, {"name": "second", "containerPort": 8082}],
    }
    with net(kube) as found:
        found.start(server("web", f"http={HTTP},8082", f"https={HTTPS}", container=keys))
        ports = (
            port("one", 80, "first"),
            port("two", 81, "second"),
            port("secure", 443, HTTPS),
            port("secure-too", 444, HTTPS),
        )
        found.services.create(service("web", "web", *ports))
        found.services.create(
            {
                "metadata": {"name": "single"},
                "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": HTTP}]},
            }
        )
        for name in ("web", "single"):
            of = {"labelSelector": f"kubernetes.io/service-name={name}"}
            found.slices.settled(lambda slices: any(each.get("endpoints") for each in slices), **of)
        yield found


@pytest.mark.conformance("[sig-network] Proxy version v1 should proxy through a service and a pod [Conformance]")
@pytest.mark.parametrize(
    ("kind", "name", "number"),
    [
        ("services", "web:one", HTTP),
        ("services", "web:80", HTTP),
        ("services", "web:two", 8082),
        ("services", "http:web:two", 8082),
        ("services", "http:web:81", 8082),
        ("services", "https:web:secure", HTTPS),
        ("services", "https:web:444", HTTPS),
        ("services", "single", HTTP),
        ("pods", "web", HTTP),
        ("pods", "web:8082", 8082),
        ("pods", "http:web:8082", 8082),
        ("pods", f"https:web:{HTTPS}", HTTPS),
    ],
)
def test_services_and_pods_are_reached_through_the_api(web: Net, kind: str, name: str, number: int) -> None:
    answer = web.through(kind, name, "/some/where", query={"to": "go", "also": "a b"})
    assert answer.status_code == 200
    assert (answer.json()["port"], answer.json()["path"]) == (number, "/some/where?to=go&also=a+b")
    assert web.through(kind, name, "/hostname").text == "web"


@pytest.mark.conformance(
    "[sig-network] Proxy version v1 A set of valid responses are returned for both pod and service ProxyWithPath"
    " [Conformance]"
)
@pytest.mark.parametrize(("kind", "name"), [("pods", "web"), ("services", "web:one")])
def test_every_method_goes_through_with_a_path(web: Net, kind: str, name: str) -> None:
    for method in (*WRITING, "GET"):
        answer = web.through(kind, name, f"/some/path/with/{method}", method, b"sent" if method != "GET" else None)
        found = answer.json()
        assert (answer.status_code, found["method"], found["path"]) == (200, method, f"/some/path/with/{method}")
        assert found["body"] == ("sent" if method != "GET" else "")
        assert "authorization" not in found["headers"]
    answer = web.through(kind, name, "/some/path/with/HEAD", "HEAD")
    assert answer.status_code == 200 and not answer.content and int(answer.headers["content-length"]) > 0


@pytest.mark.conformance(
    "[sig-network] Proxy version v1 A set of valid responses are returned for both pod and service Proxy [Conformance]"
)
@pytest.mark.parametrize(("kind", "name"), [("pods", "web"), ("services", "web:one")])
def test_without_a_path_who_reads_is_sent_to_the_root_and_who_writes_is_there(web: Net, kind: str, name: str) -> None:
    for method in WRITING:
        answer = web.through(kind, name, "", method, b"sent", {"method": method})
        found = answer.json()
        assert (answer.status_code, found["method"], found["body"]) == (200, method, "sent")
        assert found["path"] == f"/?method={method}"
    for method in ("GET", "HEAD"):
        answer = web.through(kind, name, "", method, query={"method": method})
        assert answer.status_code == 301
        assert answer.headers["location"] == f"{answer.request.url.path}/?method={method}"
        assert web.kube.http.request(method, answer.headers["location"]).status_code == 200


def test_what_is_not_there_is_told_in_upstreams_words(web: Net) -> None:
    for kind, name, code, words in [
        ("pods", "nobody", 404, 'pods "nobody" not found'),
        ("services", "nobody", 404, 'services "nobody" not found'),
        ("services", "web:9", 503, 'no service port 9 found for service "web"'),
        ("services", "web:nine", 503, 'no endpoints available for service "web:nine"'),
        ("pods", "web:9", 503, "connection refused"),
    ]:
        answer = web.through(kind, name, "/")
        assert (answer.status_code, words in answer.json()["message"]) == (code, True), answer.text
