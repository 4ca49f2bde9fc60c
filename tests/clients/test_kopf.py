"""kopf: an operator of ours (`operator_of_ours.py`), run by kopf's own command line against its own custom resource."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.kubectl import Kubectl

OPERATOR = Path(__file__).with_name("operator_of_ours.py")
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}
KEPT = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
SCHEMA = {"type": "object", "properties": {"spec": TEXT, "status": KEPT}}
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "greetings.kopf.example"},
    "spec": {
        "group": "kopf.example",
        "scope": "Namespaced",
        "names": {"plural": "greetings", "singular": "greeting", "kind": "Greeting"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}],
    },
}


@pytest.fixture
def operator(kubectl: Kubectl) -> Iterator[subprocess.Popen[bytes]]:
    kubectl.apply(DEFINITION)
    kubectl("wait", "crd/greetings.kopf.example", "--for=condition=Established", "--timeout=10s")
    program = Path(sys.executable).with_name("kopf")
    command = [program, "run", "--standalone", "--namespace", kubectl.namespace, OPERATOR]
    env = {**os.environ, "KUBECONFIG": str(kubectl.config)}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()
            assert process.wait(20) == 0


def greeting(text: str) -> str:
    body = {"apiVersion": "kopf.example/v1", "kind": "Greeting", "metadata": {"name": "hello"}, "spec": {"text": text}}
    return json.dumps(body)


def test_an_operator_makes_changes_and_cleans_up(kubectl: Kubectl, operator: subprocess.Popen[bytes]) -> None:
    kubectl("create", "-f", "-", stdin=greeting("hello"))
    kubectl("wait", "configmap/hello", "--for=create", "--timeout=20s")
    assert kubectl.value("configmap/hello", ".data.text") == "hello"
    assert kubectl.value("configmap/hello", ".metadata.ownerReferences[0].kind") == "Greeting"
    kubectl("wait", "greeting/hello", "--for=jsonpath={.status.made.child}=hello", "--timeout=20s")
    kubectl("patch", "greeting", "hello", "--type=merge", "-p", '{"spec":{"text":"good bye"}}')
    kubectl("wait", "configmap/hello", "--for=jsonpath={.data.text}=good bye", "--timeout=20s")
    kubectl("delete", "greeting", "hello", "--timeout=20s")
    assert kubectl("get", "configmap", "hello-was-here", "-o", "name") == "configmap/hello-was-here\n"
    kubectl("wait", "configmap/hello", "--for=delete", "--timeout=20s")
