"""sig-cli: the real kubectl against the API; the Pods it makes are simulated."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from podling.env import SystemEnv
from podling.pki.kubeconfig import cluster_config
from tests.conformance.kube import Json, Kube, eventually, names
from tests.conformance.workloads import pod, ready, replication_controller, workload
from tests.conformance.world import World

KUBECTL = Path(sys.executable).with_name("kubectl")
Kubectl = Callable[..., str]


@pytest.fixture(scope="module")
def environment(world: World, kube: Kube) -> dict[str, str]:
    admin = world.authority.client("kubernetes-admin", ["system:masters"], SystemEnv().now())
    config = cluster_config("conformance", world.url, world.authority.pair.certificate, admin)
    path = world.folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return {**os.environ, "KUBECONFIG": str(path), "HOME": str(world.folder)}


@pytest.fixture
def kubectl(environment: dict[str, str], namespace: str) -> Kubectl:
    """Runs kubectl in the test's namespace; its output."""

    def run(*words: str, stdin: Any = None, code: int = 0) -> str:
        text = None if stdin is None else stdin if isinstance(stdin, str) else json.dumps(stdin)
        command = [str(KUBECTL), "--namespace", namespace, *words]
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, env=environment, timeout=60, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run


def manifest(body: Json, api_version: str, kind: str) -> Json:
    return {"apiVersion": api_version, "kind": kind, **body}


def controller(name: str, replicas: int) -> Json:
    return manifest(replication_controller(name, replicas), "v1", "ReplicationController")


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl api-versions should check if v1 is in available api versions [Conformance]"
)
def test_v1_is_among_the_versions(kubectl: Kubectl) -> None:
    assert "v1" in kubectl("api-versions").splitlines()


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl cluster-info should check if Kubernetes control plane services is included in"
    " cluster-info [Conformance]"
)
def test_cluster_info_names_the_control_plane(kubectl: Kubectl, world: World) -> None:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", kubectl("cluster-info"))
    assert f"Kubernetes control plane is running at {world.url}" in plain


@pytest.mark.conformance("[sig-cli] Kubectl client Kubectl version should check is all data is printed [Conformance]")
def test_both_versions_are_printed(kubectl: Kubectl) -> None:
    told = json.loads(kubectl("version", "--output=json"))
    for side in ("clientVersion", "serverVersion"):
        assert {"major", "minor", "gitVersion", "gitCommit", "platform"} <= told[side].keys()
    assert told["serverVersion"]["gitVersion"].startswith("v1.37.")


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl describe should check if kubectl describe prints relevant information for rc and"
    " pods [Conformance]"
)
def test_describe_tells_what_matters(kubectl: Kubectl, kube: Kube, namespace: str) -> None:
    kubectl("create", "-f", "-", stdin=controller("primary", 1))
    kubectl("expose", "rc", "primary", "--port=6379")
    kube.at("v1/replicationcontrollers", namespace).until("primary", ready(1))
    name = kube.at("v1/pods", namespace).items()[0]["metadata"]["name"]
    pod_told = kubectl("describe", "pod", name)
    for pattern in (r"Name:\s+primary-", rf"Namespace:\s+{namespace}", r"Node:\s+node-", r"Status:\s+Running", r"IP:"):
        assert re.search(pattern, pod_told), pattern
    assert re.search(r"Controlled By:\s+ReplicationController/primary", pod_told) and "Image:" in pod_told
    rc_told = kubectl("describe", "rc", "primary")
    for pattern in (r"Replicas:\s+1 current", r"Pods Status:\s+1 Running", r"Selector:", r"Pod Template:", r"Events:"):
        assert re.search(pattern, rc_told), pattern
    service_told = kubectl("describe", "service", "primary")
    for pattern in (
        r"Type:\s+ClusterIP",
        r"IP:",
        r"Port:\s+<unset>\s+6379/TCP",
        r"Endpoints:",
        r"Session Affinity:\s+None",
    ):
        assert re.search(pattern, service_told), pattern
    assert re.search(r"Roles:", kubectl("describe", "node", "node-1")) and namespace in kubectl(
        "describe", "ns", namespace
    )


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl diff should check if kubectl diff finds a difference for Deployments"
    " [Conformance]"
)
def test_diff_finds_what_differs(kubectl: Kubectl) -> None:
    body = manifest(workload("httpd"), "apps/v1", "Deployment")
    kubectl("create", "-f", "-", stdin=body)
    assert kubectl("diff", "-f", "-", stdin=body) == ""
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "busybox"
    told = kubectl("diff", "-f", "-", stdin=body, code=1)
    assert re.search(r"^-\s+- image: runs$", told, re.M) and re.search(r"^\+\s+- image: busybox$", told, re.M)


@pytest.mark.conformance("[sig-cli] Kubectl client Kubectl expose should create services for rc [Conformance]")
def test_expose_makes_services(kubectl: Kubectl, kube: Kube, namespace: str) -> None:
    kubectl("create", "-f", "-", stdin=controller("primary", 1))
    kube.at("v1/replicationcontrollers", namespace).until("primary", ready(1))
    kubectl("expose", "rc", "primary", "--name=rm2", "--port=1234", "--target-port=6379")
    kubectl("expose", "service", "rm2", "--name=rm3", "--port=2345", "--target-port=6379")
    ip = kube.at("v1/pods", namespace).items()[0]["status"]["podIP"]
    for name, port in (("rm2", 1234), ("rm3", 2345)):
        service = kube.at("v1/services", namespace).get(name)
        assert [(each["port"], each["targetPort"]) for each in service["spec"]["ports"]] == [(port, 6379)]
        endpoints = kube.at("v1/endpoints", namespace).until(name, lambda body: body.get("subsets"))
        assert endpoints["subsets"][0]["addresses"][0]["ip"] == ip


@pytest.mark.conformance("[sig-cli] Kubectl client Kubectl label should update the label on a resource [Conformance]")
def test_label_puts_on_and_takes_off(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=manifest(pod("pause", "pause"), "v1", "Pod"))
    kubectl("label", "pods", "pause", "testing-label=testing-label-value")
    assert "testing-label-value" in kubectl("get", "pod", "pause", "-L", "testing-label")
    kubectl("label", "pods", "pause", "testing-label-")
    assert "testing-label-value" not in kubectl("get", "pod", "pause", "-L", "testing-label")


@pytest.mark.conformance("[sig-cli] Kubectl client Kubectl patch should add annotations for pods in rc [Conformance]")
def test_patch_annotates_the_pods_of_a_controller(kubectl: Kubectl, kube: Kube, namespace: str) -> None:
    kubectl("create", "-f", "-", stdin=controller("primary", 1))
    kube.at("v1/replicationcontrollers", namespace).until("primary", ready(1))
    for name in names(kube.at("v1/pods", namespace).items()):
        kubectl("patch", "pod", name, "-p", '{"metadata":{"annotations":{"x":"y"}}}')
        assert kube.at("v1/pods", namespace).get(name)["metadata"]["annotations"]["x"] == "y"


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl replace should update a single-container pod's image [Conformance]"
)
def test_replace_changes_the_image_of_a_pod(kubectl: Kubectl, kube: Kube, namespace: str) -> None:
    kubectl("run", "one", "--image=runs", "--labels=run=one")
    kube.at("v1/pods", namespace).until("one", lambda body: body["status"]["phase"] == "Running")
    body = json.loads(kubectl("get", "pod", "one", "-o", "json"))
    body["spec"]["containers"][0]["image"] = "busybox"
    kubectl("replace", "-f", "-", stdin=body)
    assert kube.at("v1/pods", namespace).get("one")["spec"]["containers"][0]["image"] == "busybox"


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl run pod should create a pod from an image when restart is Never [Conformance]"
)
def test_run_makes_a_pod_that_is_not_restarted(kubectl: Kubectl, kube: Kube, namespace: str) -> None:
    kubectl("run", "one", "--restart=Never", "--pod-running-timeout=2m0s", "--image=runs")
    spec = kube.at("v1/pods", namespace).get("one")["spec"]
    assert (spec["containers"][0]["image"], spec["restartPolicy"]) == ("runs", "Never")


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl server-side dry-run should check if kubectl can dry-run update Pods [Conformance]"
)
def test_a_dry_run_changes_nothing(kubectl: Kubectl, kube: Kube, namespace: str) -> None:
    kubectl("run", "one", "--image=runs", "--labels=run=one")
    image = '{"spec":{"containers":[{"name":"one","image":"busybox"}]}}'
    kubectl("patch", "pod", "one", "-p", image, "--dry-run=server")
    assert kube.at("v1/pods", namespace).get("one")["spec"]["containers"][0]["image"] == "runs"


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Update Demo should create and stop a replication controller [Conformance]"
)
def test_a_controller_comes_and_goes(kubectl: Kubectl, kube: Kube, namespace: str) -> None:
    kubectl("create", "-f", "-", stdin=controller("nautilus", 2))
    kube.at("v1/replicationcontrollers", namespace).until("nautilus", ready(2))
    template = "--template={{range .items}}{{.metadata.name}} {{end}}"
    assert len(kubectl("get", "pods", "-o", "template", template, "-l", "app=nautilus").split()) == 2
    kubectl("delete", "--grace-period=0", "--force", "rc", "nautilus")
    eventually(lambda: kubectl("get", "rc,pods", "-l", "app=nautilus", "--no-headers") == "")


@pytest.mark.conformance("[sig-cli] Kubectl client Update Demo should scale a replication controller [Conformance]")
def test_a_controller_is_scaled_down_and_up(kubectl: Kubectl, kube: Kube, namespace: str) -> None:
    kubectl("create", "-f", "-", stdin=controller("nautilus", 2))
    for count in (1, 2):
        kubectl("scale", "rc", "nautilus", f"--replicas={count}", "--timeout=5m")
        kube.at("v1/replicationcontrollers", namespace).until("nautilus", ready(count))
        eventually(
            lambda count=count: len(kubectl("get", "pods", "-l", "app=nautilus", "--no-headers").splitlines()) == count
        )


@contextmanager
def proxy(environment: dict[str, str], *words: str) -> Iterator[str]:
    """kubectl proxy while it runs; what it says first."""
    process = subprocess.Popen([str(KUBECTL), "proxy", *words], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        yield process.stdout.readline()
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.conformance("[sig-cli] Kubectl client Proxy server should support proxy with --port 0 [Conformance]")
def test_the_proxy_takes_a_free_port(environment: dict[str, str], kube: Kube) -> None:
    with proxy(environment, "--port=0", "--disable-filter") as said:
        found = re.search(r"Starting to serve on (127\.0\.0\.1:\d+)", said)
        assert found is not None, said
        answer = httpx.get(f"http://{found[1]}/api/", timeout=20).json()
    assert answer["kind"] == "APIVersions" and "v1" in answer["versions"]


@pytest.mark.conformance("[sig-cli] Kubectl client Proxy server should support --unix-socket=/path [Conformance]")
def test_the_proxy_listens_on_a_unix_socket(environment: dict[str, str], world: World, kube: Kube) -> None:
    path = world.folder / "proxy.sock"
    with proxy(environment, f"--unix-socket={path}"):
        eventually(lambda: listening(path))
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), timeout=20) as client:
            answer = client.get("http://localhost/api/").json()
    assert answer["kind"] == "APIVersions" and "v1" in answer["versions"]


def listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0
