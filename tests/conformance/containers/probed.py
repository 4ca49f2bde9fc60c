"""The Pods of `test_node_probes.py`. They begin before all other tests, because most of it is waiting for seconds."""

from __future__ import annotations

from typing import Any

from tests.conformance.containers.asking import LINGERS, PORT, asked, serving
from tests.conformance.containers.pods import pod
from tests.conformance.kube import Json, Kube, conditions, eventually

OFTEN = 4
"""How often a probe is seen to be asked before what it did not do counts."""
DELAY = 3
HTTP = {"httpGet": {"path": "/healthz", "port": PORT}}
TCP = {"tcpSocket": {"port": PORT}}
GRPC = {"grpc": {"port": PORT}}
# It is the first process's output that is the container's log.
CAT = {"exec": {"command": ["sh", "-c", "echo asked > /proc/1/fd/1; cat /tmp/health"]}}
FALSE = {"exec": {"command": ["sh", "-c", "echo asked > /proc/1/fd/1; false"]}}


def every_second(probe: Json, failures: int = 1, delay: int = 1) -> Json:
    timing = {"initialDelaySeconds": delay, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": failures}
    return {**probe, **timing}


def lively(name: str, *words: str, probe: Json, failures: int = 1) -> Json:
    return serving(name, *words, container={"livenessProbe": every_second(probe, failures)})


def shell(name: str, script: str, **probes: Json) -> Json:
    return pod(name, script, container=probes, restartPolicy="Always")


PODS = (
    # Its second restart is the longest wait of all: ten seconds of back-off.
    lively("again-and-again", "http", "0", probe=HTTP),
    lively("http-well", "http", probe=HTTP, failures=3),
    lively("tcp-well", "tcp", probe=TCP, failures=3),
    lively("grpc-well", "grpc", probe=GRPC, failures=3),
    shell("exec-well", f"echo ok > /tmp/health; {LINGERS}", livenessProbe=every_second(CAT)),
    lively("http-ill", "http", "2", probe=HTTP),
    lively("grpc-ill", "grpc", "2", probe=GRPC),
    lively("grpc-elsewhere", "grpc", probe={"grpc": {"port": 2333}}),
    shell(
        "exec-ill",
        f"echo ok > /tmp/health; (sleep 2; rm /tmp/health) & {LINGERS}",
        livenessProbe=every_second(CAT),
    ),
    shell("never-ready", LINGERS, readinessProbe=every_second(FALSE, delay=0)),
    serving("late", "http", container={"readinessProbe": every_second(HTTP, delay=DELAY)}),
)


class Probed:
    """The Pods by name."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube, self._namespace = kube, namespace
        self._pods = kube.at("v1/pods", namespace)
        self._made = {each["metadata"]["name"]: self._pods.create(each) for each in PODS}

    def history(self, name: str, until: Any) -> list[Json]:
        """Every status the Pod ever had, up to the first for which the condition holds."""
        since = self._made[name]["metadata"]["resourceVersion"]
        seen: list[Json] = []

        def noted(body: Json) -> bool:
            seen.append(body)
            return bool(until(body))

        with self._pods.watch(fieldSelector=f"metadata.name={name}", resourceVersion=since) as watch:
            watch.until("MODIFIED", noted)
        return seen

    def asked(self, name: str) -> Json:
        """The Pod, after its probe was asked often."""
        eventually(lambda: len(self._lines(name)) >= OFTEN, lambda: (self._lines(name), self._pods.get(name)["status"]))
        return self._pods.get(name)

    def _lines(self, name: str) -> list[str]:
        started = restarts(self._pods.get(name)) is not None
        return asked(self._kube, self._namespace, name) if started else []


def container(body: Json) -> Json:
    found: Json = next(iter(body["status"].get("containerStatuses", [])), {})
    return found


def restarts(body: Json) -> int | None:
    """None before the container's first start."""
    found = container(body)
    return found["restartCount"] if found.get("containerID") else None


def ready(body: Json) -> bool:
    return conditions(body).get("Ready") == "True"
