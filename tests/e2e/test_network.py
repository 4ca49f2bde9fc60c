"""What Pods and the host reach by name and address, in both proxy modes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.harness import Cluster, eventually, pod
from tests.e2e.inside import ASK, CONNECT, SERVE, TALK, UDP

pytestmark = pytest.mark.real
NODE_PORT = 30987


def service(name: str, app: str, *ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    selector = {"selector": {"app": app}} if app else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {**selector, **({"ports": list(ports)} if ports else {}), **spec},
    }


TCP = {"name": "http", "port": 80, "targetPort": 8080}
DATAGRAM = {"name": "dgram", "port": 81, "targetPort": 8081, "protocol": "UDP"}


@pytest.fixture(scope="module", params=["nftables", "userspace"])
def net(cluster: Cluster, servers: None, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster in one of its proxy modes, with two servers and a client in it."""
    cluster.podling("proxy-mode", request.param).ok()
    yield cluster


@pytest.fixture(scope="module")
def servers(cluster: Cluster) -> None:
    ready = {"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}
    pods = [pod(name, "python3", "-c", SERVE, container=ready) for name in ("server-a", "server-b")]
    for each in pods:
        each["metadata"]["labels"] = {"app": "server"}
        each["spec"] |= {"hostname": each["metadata"]["name"], "subdomain": "heads"}
    cluster.create(
        *pods,
        pod("client", "sleep", "infinity"),
        service("web", "server", TCP, DATAGRAM, clusterIP="10.96.7.7"),
        service("heads", "server", {"name": "http", "port": 8080}, clusterIP="None"),
        service("sticky", "server", TCP, sessionAffinity="ClientIP"),
        service("noded", "server", TCP | {"nodePort": NODE_PORT}, type="NodePort"),
        service("empty", "nobody", TCP),
        service("elsewhere", "", type="ExternalName", externalName="example.com"),
        service("alias", "", type="ExternalName", externalName="web.default.svc.cluster.local"),
    )
    cluster.wait_ready("client", "server-a", "server-b")


def inside(cluster: Cluster, script: str, *words: str, name: str = "client") -> Any:
    """What a Python script prints in a Pod, as JSON."""
    return json.loads(cluster.kubectl("exec", name, "--", "python3", "-c", script, *words).ok().out)


def talk(cluster: Cluster, host: str, port: int, times: int = 1, name: str = "client") -> list[Any]:
    """[server's name, address it saw] of connections from a Pod, one after the other."""
    found: list[Any] = inside(cluster, TALK, host, str(port), str(times), name=name)
    return found


def ip_of(cluster: Cluster, name: str) -> str:
    return str(cluster.json("get", "pod", name)["status"]["podIP"])


# Services


def test_a_service_spreads_connections_over_its_pods(net: Cluster) -> None:
    assert {name for name, _ in talk(net, "web", 80, 30)} == {"server-a", "server-b"}
    assert {name for name, _ in talk(net, "10.96.7.7", 80, 30)} == {"server-a", "server-b"}


def test_pods_reach_each_other_under_their_own_addresses(net: Cluster) -> None:
    ((name, peer),) = talk(net, ip_of(net, "server-a"), 8080)
    assert (name, peer) == ("server-a", ip_of(net, "client"))


def test_datagrams_go_through_a_service(net: Cluster) -> None:
    answers = inside(net, UDP, "web", "81", "20")
    assert set(answers) == {"server-a", "server-b"}


def test_a_pod_reaches_itself_through_its_service(net: Cluster) -> None:
    assert {name for name, _ in talk(net, "web", 80, 30, name="server-a")} == {"server-a", "server-b"}


def test_session_affinity_keeps_a_client_at_one_pod(net: Cluster) -> None:
    assert len({name for name, _ in talk(net, "sticky", 80, 20)}) == 1


def test_a_node_port_answers_on_the_host_and_inside(net: Cluster) -> None:
    address = net.podling("ip").ok().out.strip()
    seen = set()
    for _ in range(30):
        with socket.create_connection((address, NODE_PORT), timeout=5) as connection:
            seen.add(json.loads(connection.makefile().readline())[0])
    assert seen == {"server-a", "server-b"}
    internal = net.json("get", "nodes")["items"][0]["status"]["addresses"]
    inner = next(each["address"] for each in internal if each["type"] == "InternalIP")
    assert talk(net, inner, NODE_PORT)[0][0].startswith("server-")


def test_a_service_without_endpoints_is_refused_at_once(net: Cluster) -> None:
    reason, seconds = inside(net, CONNECT, "empty", "80")
    assert reason == "ECONNREFUSED"
    assert seconds < 0.5


def test_a_port_that_the_service_has_not_does_not_answer(net: Cluster) -> None:
    reason, _ = inside(net, CONNECT, "10.96.7.7", "82")
    assert reason != "connected"


@pytest.mark.parametrize("address", ["192.0.2.1", "8.8.8.8", "10.255.0.1"])
def test_nothing_leaves_the_machine(net: Cluster, address: str) -> None:
    reason, seconds = inside(net, CONNECT, address, "53")
    assert reason in ("ENETUNREACH", "EHOSTUNREACH")
    assert seconds < 0.5


def test_an_endpoint_that_leaves_is_not_asked_again(net: Cluster) -> None:
    net.kubectl("label", "pod", "server-b", "app=parted", "--overwrite").ok()
    try:
        eventually(lambda: {name for name, _ in talk(net, "web", 80, 10)} == {"server-a"}, 5, "only server-a is left")
    finally:
        net.kubectl("label", "pod", "server-b", "app=server", "--overwrite").ok()
    eventually(lambda: len({name for name, _ in talk(net, "web", 80, 20)}) == 2, 5, "server-b is back")


def test_the_api_is_reached_at_its_service(net: Cluster) -> None:
    assert inside(net, CONNECT, "kubernetes.default.svc", "443")[0] == "connected"


def test_a_long_connection_outlives_a_change_of_the_endpoints(net: Cluster) -> None:
    script = (
        "import socket,sys,time,json\n"
        "s=socket.create_connection(('web',80),timeout=5); f=s.makefile('rw'); first=json.loads(f.readline())\n"
        "time.sleep(1)\n"
        "f.write('still there\\n'); f.flush(); print(json.dumps([first[0], f.readline().strip()]))"
    )
    with Changes(net):
        assert inside(net, script)[1] == "still there"


class Changes:
    """While the block runs, a Service gets and loses an endpoint that is not there."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def __enter__(self) -> None:
        self._cluster.kubectl("create", "service", "clusterip", "changing", "--tcp=80:80").ok()

    def __exit__(self, *_: object) -> None:
        self._cluster.kubectl("delete", "service", "changing").ok()


# Names


def ask(cluster: Cluster, name: str, kind: str) -> tuple[str, list[Any]]:
    """The answer's code and its records, asked of the nameserver in resolv.conf."""
    code, records = inside(cluster, ASK, name, kind)
    return code, records


@pytest.mark.parametrize(
    "name", ["web", "web.default", "web.default.svc", "web.default.svc.cluster.local", "web.default.svc.cluster.local."]
)
def test_short_and_long_names_resolve(cluster: Cluster, servers: None, name: str) -> None:
    script = "import json,socket,sys; print(json.dumps(sorted({a[4][0] for a in socket.getaddrinfo(sys.argv[1], 80)})))"
    assert inside(cluster, script, name) == ["10.96.7.7"]


def test_srv_records_name_port_and_target(cluster: Cluster, servers: None) -> None:
    assert ask(cluster, "_http._tcp.web.default.svc.cluster.local", "SRV") == (
        "NOERROR",
        [[80, "web.default.svc.cluster.local"]],
    )


def test_ptr_records_name_services_and_headless_pods(cluster: Cluster, servers: None) -> None:
    assert ask(cluster, "7.7.96.10.in-addr.arpa", "PTR") == ("NOERROR", ["web.default.svc.cluster.local"])
    address = ip_of(cluster, "server-a")
    reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    assert "server-a.heads.default.svc.cluster.local" in ask(cluster, reverse, "PTR")[1]


def test_a_headless_service_is_its_pods(cluster: Cluster, servers: None) -> None:
    addresses = sorted(ip_of(cluster, name) for name in ("server-a", "server-b"))
    code, records = ask(cluster, "heads.default.svc.cluster.local", "A")
    assert (code, sorted(records)) == ("NOERROR", addresses)
    assert ask(cluster, "server-a.heads.default.svc.cluster.local", "A")[1] == [ip_of(cluster, "server-a")]
    targets = ask(cluster, "_http._tcp.heads.default.svc.cluster.local", "SRV")[1]
    assert sorted(target for _, target in targets) == [
        f"server-{letter}.heads.default.svc.cluster.local" for letter in "ab"
    ]


def test_an_external_name_is_an_alias(cluster: Cluster, servers: None) -> None:
    assert ask(cluster, "elsewhere.default.svc.cluster.local", "CNAME")[1] == ["example.com"]
    assert talk(cluster, "alias", 80)[0][0].startswith("server-")


def test_a_name_that_is_not_there_is_denied_at_once(cluster: Cluster, servers: None) -> None:
    assert ask(cluster, "nobody.default.svc.cluster.local", "A") == ("NXDOMAIN", [])
    script = (
        "import json,socket,sys,time\nb=time.monotonic()\n"
        "try: socket.getaddrinfo(sys.argv[1], 80); r='found'\n"
        "except socket.gaierror as e: r=e.errno\n"
        "print(json.dumps([r, time.monotonic()-b]))"
    )
    for name in ("nobody", "nobody.example.com"):
        reason, seconds = inside(cluster, script, name)
        assert reason in (socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL)
        assert seconds < 0.5


def test_an_address_of_version_six_is_empty_not_missing(cluster: Cluster, servers: None) -> None:
    assert ask(cluster, "web.default.svc.cluster.local", "AAAA") == ("NOERROR", [])


def test_a_new_service_is_known_to_dns_at_once(cluster: Cluster, servers: None) -> None:
    cluster.create(service("brandnew", "server", TCP))
    began = time.monotonic()
    eventually(lambda: ask(cluster, "brandnew.default.svc.cluster.local", "A")[1], 5, "the name resolves")
    assert time.monotonic() - began < 1
    cluster.kubectl("delete", "service", "brandnew").ok()
    eventually(lambda: ask(cluster, "brandnew.default.svc.cluster.local", "A")[0] == "NXDOMAIN", 5, "the name is gone")
