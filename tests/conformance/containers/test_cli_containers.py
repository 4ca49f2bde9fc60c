"""sig-cli: what kubectl makes runs and answers, and what it wrote is read by kubectl."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.containers.pods import IMAGE, log
from tests.conformance.kube import Json, Kube, eventually
from tests.e2e.harness import Cluster

GUESTBOOK = Path(__file__).with_name("guestbook.py").read_text()
STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d) ")
Kubectl = Callable[..., str]


@pytest.fixture
def kubectl(cluster: Cluster, namespace: str) -> Kubectl:
    """Runs kubectl in the test's namespace; its output."""

    def run(*words: str, stdin: Any = None) -> str:
        text = None if stdin is None else json.dumps(stdin)
        return cluster.kubectl("--namespace", namespace, *words, stdin=text).ok().out

    return run


def part(word: str, name: str, replicas: int) -> Iterator[Json]:
    """A part of the guestbook: a Service and a Deployment behind it."""
    labels = {"app": name}
    container = {
        "name": word,
        "image": IMAGE,
        "command": ["python3", "-c", GUESTBOOK, word],
        "ports": [{"containerPort": 8080}],
        "resources": {"requests": {"cpu": "10m", "memory": "10Mi"}},
    }
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels},
        "spec": {"ports": [{"port": 80, "targetPort": 8080}], "selector": labels},
    }
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
            },
        },
    }


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Guestbook application should create and stop a working application [Conformance]"
)
def test_a_guestbook_is_made_works_and_goes(kube: Kube, namespace: str, kubectl: Kubectl) -> None:
    parts = (("replica", "agnhost-replica", 2), ("frontend", "frontend", 3), ("primary", "agnhost-primary", 1))
    items = [each for one in parts for each in part(*one)]
    manifest = {"apiVersion": "v1", "kind": "List", "items": items}
    said = kubectl("create", "-f", "-", stdin=manifest).splitlines()
    assert said == [
        f"{kind} created" for _, name, _ in parts for kind in (f"service/{name}", f"deployment.apps/{name}")
    ]
    for _, name, _ in parts:
        kubectl("rollout", "status", f"deployment/{name}", "--timeout=20s")

    def asked(path: str) -> str:
        answer = kube.http.get(f"/api/v1/namespaces/{namespace}/services/frontend/proxy/{path}")
        return answer.text if answer.status_code == 200 else ""

    eventually(lambda: asked("") == "<h1>Guestbook</h1>")
    eventually(lambda: asked("set?key=messages&value=TestEntry") == "taken")
    # Each replica has it: the Service asks any of them.
    eventually(lambda: all(asked("get?key=messages") == "TestEntry" for _ in range(10)))
    kubectl("delete", "--grace-period=0", "--force", "-f", "-", stdin=manifest)
    for resource in ("v1/services", "apps/v1/deployments", "apps/v1/replicasets", "v1/pods"):
        kube.at(resource, namespace).settled(lambda items: not items)


LINES = 100
WRITE = f"""
import datetime, sys, threading
for number in range({LINES}):
    print(f"line {{number}} of a log, at", datetime.datetime.now().isoformat(), flush=True)
threading.Event().wait()
"""


@pytest.mark.conformance("[sig-cli] Kubectl logs logs should be able to retrieve and filter logs [Conformance]")
def test_logs_are_read_whole_and_in_parts(kube: Kube, namespace: str, kubectl: Kubectl) -> None:
    overrides = {"spec": {"terminationGracePeriodSeconds": 0}}
    made = ("run", "writer", f"--image={IMAGE}", "--restart=Never", f"--overrides={json.dumps(overrides)}")
    assert kubectl(*made, "--command", "--", "python3", "-c", WRITE) == "pod/writer created\n"
    eventually(lambda: len(log(kube, namespace, "writer", "writer").splitlines()) == LINES)
    whole = kubectl("logs", "writer").splitlines()
    assert [line.split()[1] for line in whole] == [str(number) for number in range(LINES)]
    assert kubectl("logs", "writer", "writer").splitlines() == whole
    assert kubectl("logs", "writer", "--tail=1").splitlines() == whole[-1:]
    assert kubectl("logs", "writer", "--limit-bytes=1") == "l"
    stamped = kubectl("logs", "writer", "--tail=1", "--timestamps")
    assert STAMP.match(stamped) and stamped.split(" ", 1)[1] == whole[-1] + "\n"
    assert kubectl("logs", "writer", "--since=24h").splitlines() == whole
    eventually(lambda: kubectl("logs", "writer", "--since=1s") == "")
