"""A cluster of three real nodes: what Pods reach across them, and what happens when one goes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import ANY

import pytest

from podling.cluster.load import send
from podling.cluster.process import Process
from tests.e2e.harness import BIN, Cluster, eventually, pod
from tests.e2e.hostprint import differences, hostprint
from tests.e2e.inside import ASK, CONNECT, SERVE, TALK, UDP

pytestmark = pytest.mark.real
QUIET = ("nft", "addresses", "routes", "rules", "links", "netns", "mounts", "sysctls")
"""What no other cluster on this machine changes either."""
NODE_PORT, LOCAL_PORT, WEB_PORT = 30971, 30972, 30973
READY = {"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}
SOON = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
    for key in ("not-ready", "unreachable")
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("nodes")
    before = hostprint()
    with Cluster(folder / "state", f"nodes{os.getpid()}", nodes="3") as started:
        started.build_host_image(folder)
        yield started
    after = hostprint()
    assert [each for each in differences(before, after) if each.partition(":")[0] in QUIET] == []
    assert traces(after, started) == []


def traces(host: dict[str, list[str]], cluster: Cluster) -> list[str]:
    marks = (f"/{cluster.name}", f"--cluster {cluster.name}", str(cluster.root))
    return [line for lines in host.values() for line in lines if any(mark in line for mark in marks)]


def names(cluster: Cluster) -> list[str]:
    return [cluster.name, f"{cluster.name}-2", f"{cluster.name}-3"]


def node_status(cluster: Cluster, name: str) -> Any:
    """Of `podling status`, whatever runs."""
    found = json.loads(cluster.podling("status", "-o", "json").out)["nodes"]
    return next(each for each in found if each["name"] == name)


def service(name: str, app: str, *ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    metadata = {"name": name}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": _spec(app, *ports, **spec)}


def _spec(app: str, *ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"selector": {"app": app}, "ports": list(ports), **spec}


def deployment(name: str, count: int, *command: str, **spec: Any) -> dict[str, Any]:
    inner = pod(name, *command, **spec)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": count,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": inner["spec"]},
        },
    }


TCP = {"name": "http", "port": 80, "targetPort": 8080}
DATAGRAM = {"name": "dgram", "port": 81, "targetPort": 8081, "protocol": "UDP"}


@pytest.fixture(scope="module")
def servers(cluster: Cluster) -> list[str]:
    """A Pod on each node that says its name; on the third there is one more, which alone has `local`."""
    made = []
    for number, node in enumerate(names(cluster), 1):
        each = pod(f"server-{number}", "python3", "-c", SERVE, container=READY, nodeName=node)
        each["metadata"]["labels"] = {"app": "server", "on": str(number)}
        made.append(each)
    noded, local = TCP | {"nodePort": NODE_PORT}, TCP | {"nodePort": LOCAL_PORT}
    third = service("third", "server", local, type="NodePort", externalTrafficPolicy="Local")
    third["spec"]["selector"] = {"on": "3"}
    cluster.create(
        *made,
        service("web", "server", TCP, DATAGRAM),
        service("near", "server", TCP, internalTrafficPolicy="Local"),
        service("noded", "server", noded, type="NodePort"),
        third,
    )
    found = [each["metadata"]["name"] for each in made]
    cluster.wait_ready(*found)
    return found


@pytest.fixture(scope="module", params=["nftables", "userspace"])
def net(cluster: Cluster, servers: list[str], request: pytest.FixtureRequest) -> Iterator[Cluster]:
    cluster.podling("proxy-mode", request.param).ok()
    yield cluster


def inside(cluster: Cluster, name: str, script: str, *words: str) -> Any:
    """What a Python script prints in a Pod, as JSON."""
    return json.loads(cluster.kubectl("exec", name, "--", "python3", "-c", script, *words).ok().out)


def talk(cluster: Cluster, name: str, host: str, port: int, times: int = 1) -> list[Any]:
    """[server's name, address it saw] of connections from a Pod."""
    found: list[Any] = inside(cluster, name, TALK, host, str(port), str(times))
    return found


def at(address: str, port: int) -> str:
    """Who answers on the host."""
    with socket.create_connection((address, port), timeout=5) as connection:
        return str(json.loads(connection.makefile().readline())[0])


# Services, names and addresses across nodes


def test_every_pod_reaches_the_pods_of_other_nodes_under_their_own_addresses(net: Cluster, servers: list[str]) -> None:
    ips = {each["metadata"]["name"]: each["status"]["podIP"] for each in net.pods("app=server")}
    assert len({ip.rpartition(".")[0] for ip in ips.values()}) == 3
    for client in servers:
        for server in servers:
            assert talk(net, client, ips[server], 8080) == [[server, ips[client]]]


def test_a_service_leads_from_every_node_to_the_pods_of_all(net: Cluster, servers: list[str]) -> None:
    for client in servers:
        assert {name for name, _ in talk(net, client, "web", 80, 40)} == set(servers)
        assert set(inside(net, client, UDP, "web", "81", "40")) == set(servers)


def test_internal_traffic_that_is_local_stays_on_its_node(net: Cluster, servers: list[str]) -> None:
    for client in servers:
        assert {name for name, _ in talk(net, client, "near", 80, 10)} == {client}


def test_a_node_port_answers_at_every_node_on_the_host_and_inside(net: Cluster, servers: list[str]) -> None:
    for each in net.status()["nodes"]:
        assert {at(each["address"], NODE_PORT) for _ in range(40)} == set(servers)
        for client in servers:
            assert {name for name, _ in talk(net, client, each["internalAddress"], NODE_PORT, 40)} == set(servers)


def test_external_traffic_that_is_local_is_taken_where_the_pod_is_and_nowhere_else(net: Cluster) -> None:
    first, second, third = (each["address"] for each in net.status()["nodes"])
    assert at(third, LOCAL_PORT) == "server-3"
    for address in (first, second):
        with pytest.raises(ConnectionRefusedError):
            at(address, LOCAL_PORT)


def test_a_load_balancer_has_the_addresses_of_all_nodes(net: Cluster, servers: list[str]) -> None:
    net.create(service("balanced", "server", TCP | {"port": 8099}, type="LoadBalancer"))
    try:
        addresses = {each["address"] for each in net.status()["nodes"]}
        eventually(lambda: set(balancers(net, "balanced")) == addresses, 10, "an address for each node")
        eventually(lambda: all(reachable(address, 8099) for address in addresses), 5, "all of them answer")
        for address in addresses:
            assert {at(address, 8099) for _ in range(30)} == set(servers)
    finally:
        net.kubectl("delete", "service", "balanced").ok()


def balancers(cluster: Cluster, name: str) -> list[str]:
    return [each["ip"] for each in cluster.json("get", "service", name)["status"]["loadBalancer"].get("ingress", ())]


def reachable(address: str, port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex((address, port)) == 0


def test_a_network_policy_holds_across_nodes(net: Cluster) -> None:
    spec = {
        "podSelector": {"matchLabels": {"on": "2"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"on": "1"}}}]}],
    }
    metadata = {"name": "only-first"}
    service_of_second = service("second", "server", TCP)
    service_of_second["spec"]["selector"] = {"on": "2"}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    net.create(service_of_second, policy)
    try:
        address = net.json("get", "pod", "server-2")["status"]["podIP"]
        for goal, port in ((address, "8080"), ("second", "80")):
            wait_refused(net, "server-3", goal, port)
            assert talk(net, "server-1", goal, int(port), 5) == [["server-2", ANY]] * 5
    finally:
        net.kubectl("delete", "service/second", "networkpolicy/only-first").ok()


def wait_refused(cluster: Cluster, name: str, goal: str, port: str) -> None:
    eventually(lambda: inside(cluster, name, CONNECT, goal, port)[0] != "connected", 5, f"{name} is refused at {goal}")


def test_dns_and_api_answer_on_every_node(net: Cluster, servers: list[str]) -> None:
    for client in servers:
        code, found = inside(net, client, ASK, "web.default.svc.cluster.local", "A")
        assert (code, len(found)) == ("NOERROR", 1)
        assert inside(net, client, CONNECT, "kubernetes.default.svc", "443")[0] == "connected"


def test_nothing_leaves_the_machine_from_a_further_node(net: Cluster) -> None:
    reason, seconds = inside(net, "server-2", CONNECT, "192.0.2.1", "53")
    assert reason in ("ENETUNREACH", "EHOSTUNREACH")
    assert seconds < 0.5


# What the server asks of a further node


def test_exec_logs_and_port_forward_reach_the_second_node(cluster: Cluster, servers: list[str]) -> None:
    cluster.create(pod("talks", "sh", "-c", "echo from afar; sleep infinity", nodeName=names(cluster)[1]))
    cluster.wait_ready("talks")
    assert cluster.kubectl("logs", "talks").ok().out == "from afar\n"
    assert cluster.kubectl("exec", "-i", "server-2", "--", "cat", stdin="echo").ok().out == "echo"
    words = [str(BIN / "kubectl"), "port-forward", "server-2", ":8080"]
    with subprocess.Popen(words, env=cluster.env, stdout=subprocess.PIPE, text=True) as forward:
        assert forward.stdout
        port = int(forward.stdout.readline().split(" -> ")[0].rpartition(":")[2])
        assert at("127.0.0.1", port) == "server-2"
        forward.terminate()
    assert "node.log" in cluster.podling("logs", "--node", names(cluster)[1]).ok().out


# The scheduler, volumes, and a node that is drained


def nodes_of(cluster: Cluster, app: str) -> set[str]:
    """The nodes on which the Pods of an app are ready."""
    living = [each for each in cluster.pods(f"app={app}") if not each["metadata"].get("deletionTimestamp")]
    return {each["spec"]["nodeName"] for each in living if ("Ready", "True") in conditions(each)}


def conditions(found: Any) -> list[tuple[str, str]]:
    return [(each["type"], each["status"]) for each in found["status"].get("conditions", ())]


def test_a_volume_keeps_its_pods_on_its_node(cluster: Cluster) -> None:
    second = names(cluster)[1]
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    at_v: dict[str, Any] = {
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
        "container": {"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
    }
    here: dict[str, Any] = {"nodeSelector": {"kubernetes.io/hostname": second}}
    cluster.create(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": claim},
        pod("writes", "sh", "-c", "echo kept > /v/file; sleep infinity", **at_v, **here),
    )
    cluster.wait_ready("writes")
    cluster.kubectl("delete", "pod", "writes", "--now").ok()
    cluster.create(pod("reads", "sh", "-c", "cat /v/file; sleep infinity", **at_v))
    cluster.wait_ready("reads")
    assert cluster.json("get", "pod", "reads")["spec"]["nodeName"] == second
    assert cluster.kubectl("logs", "reads").ok().out == "kept\n"
    cluster.kubectl("delete", "pod/reads", "pvc/data", "--now").ok()


def test_a_drained_node_loses_its_pods_but_no_request(cluster: Cluster) -> None:
    cluster.podling("proxy-mode", "userspace").ok()
    cluster.create(
        deployment("web2", 6, "python3", "-m", "http.server", "8080", container=READY),
        service("web2", "web2", TCP | {"nodePort": WEB_PORT}, type="NodePort"),
    )
    cluster.kubectl("rollout", "status", "deployment/web2", "--timeout=60s", timeout=70).ok()
    assert nodes_of(cluster, "web2") == set(names(cluster))
    second = names(cluster)[1]
    drain = ("drain", second, "--pod-selector=app=web2")
    drained: list[int] = []

    def empty() -> None:
        drained.append(cluster.kubectl(*drain, timeout=60).code)

    draining = threading.Thread(target=empty)
    outcomes = []
    draining.start()
    while draining.is_alive():
        outcomes.append(send(f"http://{cluster.status()['address']}:{WEB_PORT}/", 100))
    draining.join()
    assert drained == [0]
    assert sum(each.failed for each in outcomes) == 0, [str(each) for each in outcomes]
    eventually(lambda: len(cluster.pods("app=web2")) == 6, 30, "six Pods again")
    cluster.kubectl("rollout", "status", "deployment/web2", "--timeout=60s", timeout=70).ok()
    assert nodes_of(cluster, "web2") == set(names(cluster)) - {second}
    cluster.kubectl("uncordon", second).ok()
    cluster.kubectl("delete", "deployment/web2", "service/web2").ok()


# A node that dies, a cluster that stops, nodes that come and go


def ready(cluster: Cluster) -> dict[str, str]:
    return {each["metadata"]["name"]: dict(conditions(each))["Ready"] for each in cluster.json("get", "nodes")["items"]}


def test_what_a_dead_node_ran_comes_back_elsewhere_and_start_brings_the_node_back(cluster: Cluster) -> None:
    second = names(cluster)[1]
    cluster.create(deployment("moves", 3, "python3", "-c", SERVE, container=READY, tolerations=SOON))
    cluster.kubectl("rollout", "status", "deployment/moves", "--timeout=60s", timeout=70).ok()
    assert second in nodes_of(cluster, "moves")
    before = node_status(cluster, second)
    os.kill(before["keeper"]["pid"], signal.SIGKILL)
    eventually(lambda: ready(cluster)[second] == "False", 10, "the node is NotReady")
    others = set(names(cluster)) - {second}
    eventually(lambda: nodes_of(cluster, "moves") == others, 30, "its Pods run elsewhere")
    assert cluster.podling("status").code == 3
    assert f"node {second} Ready" in cluster.start().out
    after = node_status(cluster, second)
    assert after["keeper"]["pid"] != before["keeper"]["pid"]
    assert ready(cluster)[second] == "True"
    cluster.create(pod("again", "sleep", "infinity", nodeName=second))
    cluster.wait_ready("again")
    cluster.wait_ready("server-2")
    eventually(lambda: inside(cluster, "again", CONNECT, "near", "80")[0] == "connected", 5, "its own server answers")
    assert talk(cluster, "again", "near", 80)[0][0] == "server-2"
    address = cluster.json("get", "pod", "server-1")["status"]["podIP"]
    assert talk(cluster, "again", address, 8080)[0][0] == "server-1"
    cluster.kubectl("delete", "deployment/moves", "pod/again", "--now").ok()


def test_a_stop_keeps_all_nodes_and_what_they_ran(cluster: Cluster, servers: list[str]) -> None:
    uids = {each["metadata"]["uid"] for each in cluster.pods("app=server")}
    cluster.podling("stop").ok()
    cluster.podling("start").ok()
    assert set(ready(cluster)) == set(names(cluster))
    cluster.wait_ready(*servers)
    assert {each["metadata"]["uid"] for each in cluster.pods("app=server")} == uids
    for client in servers:
        assert {name for name, _ in talk(cluster, client, "web", 80, 40)} == set(servers)


def test_a_node_comes_and_goes_while_the_cluster_runs(cluster: Cluster, servers: list[str]) -> None:
    assert "3 nodes: podling node delete NAME" in cluster.podling("start", "--nodes", "2").err
    fourth = f"{cluster.name}-4"
    assert f"node {fourth} Ready" in cluster.podling("start", "--nodes", "4").ok().out
    cluster.create(pod("fourth", "sleep", "infinity", nodeName=fourth))
    cluster.wait_ready("fourth")
    assert {name for name, _ in talk(cluster, "fourth", "web", 80, 40)} == set(servers)
    address = cluster.podling("ip", fourth).ok().out.strip()
    assert at(address, NODE_PORT) in servers
    keeper = node_status(cluster, fourth)["keeper"]["pid"]
    assert cluster.podling("node", "delete", fourth).ok().out == f"Deleted: {fourth} (1 node)\n"
    assert Process.of(keeper) is None
    assert set(ready(cluster)) == set(names(cluster))
    assert "NotFound" in cluster.kubectl("get", "pod", "fourth").err
    added = cluster.podling("node", "add").ok().out
    assert f"({cluster.name}-5)" in added
    listed = cluster.podling("node", "list").ok().out
    assert len(listed.splitlines()) == 5
    cluster.podling("node", "delete", f"{cluster.name}-5").ok()


def test_nothing_is_left_when_everything_was_killed(cluster: Cluster) -> None:
    status = cluster.status()
    nodes = status["nodes"]
    for pid in (status["server"]["pid"], *(node[part]["pid"] for node in nodes for part in ("node", "keeper"))):
        with contextlib.suppress(ProcessLookupError):  # a node process ends with its keeper
            os.kill(pid, signal.SIGKILL)
    cluster.delete()
    eventually(lambda: traces(hostprint(), cluster) == [], 5, f"no trace, but {traces(hostprint(), cluster)}")
