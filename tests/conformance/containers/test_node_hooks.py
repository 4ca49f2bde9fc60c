"""sig-node: postStart and preStop, seen by a Pod that they call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.containers.asking import LINGERS, PORT, Listener, namespace_for_all
from tests.conformance.containers.pods import pod
from tests.conformance.kube import Json, Kube

CALL = (
    "import socket, sys; peer = socket.create_connection((sys.argv[1], int(sys.argv[2]))); "
    "peer.sendall(sys.argv[3].replace('|', '\\r\\n').encode()); peer.recv(1)"
)
"""A request whose lines are divided by |."""


@pytest.fixture(scope="module")
def listener(kube: Kube) -> Iterator[Listener]:
    with namespace_for_all(kube) as namespace:
        yield Listener(kube, namespace)


def by_command(listener: Listener, request: str) -> Json:
    return {"exec": {"command": ["python3", "-c", CALL, listener.ip, str(PORT), request]}}


def by_http(listener: Listener, path: str) -> Json:
    return {"httpGet": {"host": listener.ip, "port": PORT, "path": path}}


def run(kube: Kube, namespace: str, **hooks: Json) -> None:
    """A Pod with these hooks runs."""
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("hooked", LINGERS, container={"lifecycle": hooks}, terminationGracePeriodSeconds=15))
    pods.until("hooked", lambda found: found["status"].get("phase") == "Running")


def end(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.delete("hooked")
    pods.gone("hooked")


@pytest.mark.conformance(
    "[sig-node] Container Lifecycle Hook when create a pod with lifecycle hook should execute poststart exec hook"
    " properly [Conformance] [NodeConformance]"
)
def test_a_command_runs_after_the_start(kube: Kube, namespace: str, listener: Listener) -> None:
    run(kube, namespace, postStart=by_command(listener, "GET /echo?msg=poststart-exec HTTP/1.1||"))
    listener.hears("GET /echo?msg=poststart-exec")


@pytest.mark.conformance(
    "[sig-node] Container Lifecycle Hook when create a pod with lifecycle hook should execute poststart http hook"
    " properly [Conformance] [NodeConformance]"
)
def test_a_request_is_sent_after_the_start(kube: Kube, namespace: str, listener: Listener) -> None:
    run(kube, namespace, postStart=by_http(listener, "/echo?msg=poststart-http"))
    listener.hears("GET /echo?msg=poststart-http")


@pytest.mark.conformance(
    "[sig-node] Container Lifecycle Hook when create a pod with lifecycle hook should execute prestop exec hook"
    " properly [Conformance] [NodeConformance]"
)
def test_a_command_runs_before_the_end(kube: Kube, namespace: str, listener: Listener) -> None:
    run(kube, namespace, preStop=by_command(listener, "GET /echo?msg=prestop-exec HTTP/1.1||"))
    assert not listener.heard("GET /echo?msg=prestop-exec")
    end(kube, namespace)
    assert listener.heard("GET /echo?msg=prestop-exec") == 1


@pytest.mark.conformance(
    "[sig-node] Container Lifecycle Hook when create a pod with lifecycle hook should execute prestop http hook"
    " properly [Conformance] [NodeConformance]"
)
def test_a_request_is_sent_before_the_end(kube: Kube, namespace: str, listener: Listener) -> None:
    run(kube, namespace, preStop=by_http(listener, "/echo?msg=prestop-http"))
    assert not listener.heard("GET /echo?msg=prestop-http")
    end(kube, namespace)
    assert listener.heard("GET /echo?msg=prestop-http") == 1


@pytest.mark.conformance("[sig-node] PreStop should call prestop when killing a pod [Conformance]")
def test_a_pod_that_is_deleted_has_said_goodbye(kube: Kube, namespace: str, listener: Listener) -> None:
    goodbye = "POST /write HTTP/1.1|Content-Length: 7||prestop"
    run(kube, namespace, preStop=by_command(listener, goodbye))
    end(kube, namespace)
    assert listener.heard("POST /write prestop") == 1
