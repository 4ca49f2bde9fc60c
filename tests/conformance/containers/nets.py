"""Pods that serve and ask (`netserver.py`), the Services before them, and the tests' view of who answers whom.

A test asks a Pod to ask others: through the API server's proxy it costs a few milliseconds, where `kubectl exec` would
cost a hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.conformance.containers.netserver import by_http, by_udp
from tests.conformance.containers.pods import IMAGE
from tests.conformance.kube import Json, Kube, Resource, eventually

_SOURCE = Path(__file__).with_name("netserver.py").read_text()
HTTP, UDP = 8080, 8081


def serving(*words: str, **keys: object) -> Json:
    """A container that serves: by default HTTP 8080 and UDP 8081."""
    words = words or (f"http={HTTP}", f"udp={UDP}")
    return {"name": "c", "image": IMAGE, "command": ["python3", "-c", _SOURCE, *words], **keys}


def server(name: str, *words: str, labels: Json | None = None, **spec: object) -> Json:
    """A Pod with one serving container; keys of the container go to `container={…}`."""
    extra = spec.pop("container", {})
    assert isinstance(extra, dict)
    inner = {"terminationGracePeriodSeconds": 0, "containers": [serving(*words, **extra)], **spec}
    return {"metadata": {"name": name, "labels": labels or {"app": name}}, "spec": inner}


def port(name: str, number: int = 80, target: int | str = HTTP, protocol: str = "TCP", **keys: object) -> Json:
    return {"name": name, "port": number, "targetPort": target, "protocol": protocol, **keys}


def service(name: str, app: str, *ports: Json, **spec: object) -> Json:
    """`app`: the label of its Pods; "" makes a Service without a selector."""
    selector = {"selector": {"app": app}} if app else {}
    return {"metadata": {"name": name}, "spec": {**selector, "ports": list(ports or (port("http"),)), **spec}}


def endpoint_slice(name: str, of: str, addresses: Iterable[str], *ports: Json) -> Json:
    """A slice made by hand; all addresses are ready."""
    endpoints = [{"addresses": [address], "conditions": {"ready": True}} for address in addresses]
    labels = {"kubernetes.io/service-name": of}
    return {
        "metadata": {"name": name, "labels": labels},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": list(ports),
    }


class Net:
    """A namespace and the serving Pods in it."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self.kube, self.namespace = kube, namespace
        self.pods, self.services = self.at("v1/pods"), self.at("v1/services")
        self.slices = self.at("discovery.k8s.io/v1/endpointslices")

    def at(self, resource: str) -> Resource:
        return self.kube.at(resource, self.namespace)

    def start(self, *pods: Json) -> dict[str, str]:
        """Create these Pods at once and wait until all serve; their addresses by name."""
        for each in pods:
            self.pods.create(each)
        names = [each["metadata"]["name"] for each in pods]
        for name in names:
            self.serves(name)
        return {name: self.ip(name) for name in names}

    def serves(self, pod: str) -> None:
        """Waits until `name` or `name:port` answers."""
        eventually(
            lambda: self.raw(self.door(pod), "hostname").status_code == 200,
            lambda: self.pods.get(pod.partition(":")[0]),
        )

    def ip(self, name: str) -> str:
        return str(self.pods.get(name)["status"]["podIP"])

    def raw(
        self, pod: str, way: str, verb: str = "GET", body: bytes | None = None, query: Json | None = None
    ) -> httpx.Response:
        """The answer to a request to `name:port` of a Pod through the API server."""
        return self.through("pods", pod, f"/{way}", verb, body, query)

    def through(
        self,
        kind: str,
        name: str,
        way: str = "",
        verb: str = "GET",
        body: bytes | None = None,
        query: Json | None = None,
    ) -> httpx.Response:
        """The answer of a Pod or Service, `[scheme:]name[:port]`, through the API server's proxy."""
        whole = f"/api/v1/namespaces/{self.namespace}/{kind}/{name}/proxy{way}"
        return self.kube.http.request(verb, f"{whole}?{urlencode(query)}" if query else whole, content=body)

    def dial(
        self, client: str, host: str, port: int, tries: int = 1, protocol: str = "http", **more: object
    ) -> Answers:
        """What a Pod heard that asked host and port again and again, each time with a new connection."""
        query = {"host": host, "port": port, "tries": tries, "protocol": protocol, **more}
        answer = self.raw(self.door(client), "dial", query=query)
        assert answer.status_code == 200, answer.text
        return Answers(answer.json())

    def reach(self, client: str, host: str, port: int, who: Iterable[str], protocol: str = "http") -> None:
        """Waits until just these answer, and each of them."""
        wanted, seen = set(who), list[Answers]()

        def holds() -> bool:
            seen[:] = [self.dial(client, host, port, 4 * len(wanted) or 1, protocol)]
            return seen[0].who == wanted and not seen[0].failures

        eventually(holds, lambda: (host, port, wanted, seen))

    def unreachable(self, client: str, host: str, port: int, protocol: str = "http") -> None:
        """Waits until nobody answers there."""
        eventually(lambda: not self.dial(client, host, port, 1, protocol).who, lambda: (host, port))

    def shell(self, client: str, script: str) -> str:
        """What a script prints in the Pod, which must work."""
        found = self.raw(self.door(client), "shell", "POST", script.encode()).json()
        assert found["code"] == 0, found
        return str(found["out"])

    def lookup(self, client: str, name: str, kind: str = "A", protocol: str = "udp") -> tuple[str, list[Any]]:
        """(code, records) as the Pod's nameserver says it of exactly this name."""
        asked = {"name": name, "kind": kind, "protocol": protocol}
        code, records = self.raw(self.door(client), "lookup", query=asked).json()
        return code, records

    def resolves(self, client: str, name: str, kind: str, wanted: list[Any]) -> None:
        """Waits until just these are the records of a name."""
        seen: list[Any] = []

        def holds() -> bool:
            seen[:] = [self.lookup(client, name, kind)]
            return bool(seen[0][0] == "NOERROR" and sorted(seen[0][1]) == sorted(wanted))

        eventually(holds, lambda: (name, kind, wanted, seen))

    def door(self, pod: str) -> str:
        return pod if ":" in pod else f"{pod}:{HTTP}"


class Answers:
    """What was heard, in order."""

    def __init__(self, found: list[list[str]]) -> None:
        self.heard = [each[0] for each in found if each[0]]
        self.failures = [each[1] for each in found if not each[0]]

    @property
    def who(self) -> set[str]:
        return set(self.heard)

    def __repr__(self) -> str:
        return f"{sorted(self.who)} {self.failures}"


@contextmanager
def net(kube: Kube) -> Iterator[Net]:
    """A new namespace for a module; it is deleted afterwards, without waiting."""
    name: str = kube.at("v1/namespaces").create({"metadata": {"generateName": "net-"}})["metadata"]["name"]
    kube.at("v1/serviceaccounts", name).settled(lambda found: found)
    yield Net(kube, name)
    kube.at("v1/namespaces").delete(name)


class Host:
    """What a user of this machine reaches, outside of all containers."""

    def __init__(self, kube: Kube) -> None:
        node = kube.at("v1/nodes").items()[0]
        addresses = {each["type"]: each["address"] for each in node["status"]["addresses"]}
        self.node: str = node["metadata"]["name"]
        self.internal, self.external = addresses["InternalIP"], addresses["ExternalIP"]

    def ask(self, port: int, path: str = "/hostname") -> str:
        """The answer at the node's address on this machine; "" where there is none, or one that breaks off."""
        try:
            return by_http(self.external, port, path)
        except (OSError, HTTPException):
            return ""

    def say(self, port: int) -> str:
        """The answer to a datagram; "" where there is none."""
        try:
            return by_udp(self.external, port, "/hostname")
        except OSError:
            return ""

    def reach(self, port: int, who: Iterable[str]) -> None:
        """Waits until just these answer, and each of them."""
        wanted = set(who)
        eventually(lambda: {self.ask(port) for _ in range(4 * len(wanted))} == wanted, lambda: (port, wanted))

    def unreachable(self, port: int) -> None:
        eventually(lambda: not self.ask(port), lambda: port)
