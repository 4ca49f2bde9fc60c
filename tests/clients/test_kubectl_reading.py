"""kubectl, the subcommands that look."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request

from tests.clients.kubectl import PROGRAM, Kubectl


def test_version_and_cluster_info(kubectl: Kubectl) -> None:
    assert "Server Version: v1.37.1" in kubectl("version")
    assert "Kubernetes control plane" in kubectl("cluster-info")
    assert "Unhealthy" not in kubectl("get", "componentstatuses")


def test_cluster_info_dump_holds_every_list(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "unused")
    dump = kubectl("cluster-info", "dump", "--namespaces", kubectl.namespace, "-o", "json")
    assert '"kind": "NodeList"' in dump
    assert '"kind": "EventList"' in dump


def test_api_resources_and_versions(kubectl: Kubectl) -> None:
    names = kubectl("api-resources", "-o", "name").split()
    assert {"pods", "deployments.apps", "leases.coordination.k8s.io"} <= set(names)
    assert re.search(r"^deployments +deploy +apps/v1 +true +Deployment$", kubectl("api-resources"), re.MULTILINE)
    assert {"v1", "apps/v1", "batch/v1"} <= set(kubectl("api-versions").split())


def test_explain_tells_fields_and_types(kubectl: Kubectl) -> None:
    text = kubectl("explain", "deployment.spec.strategy", "--recursive")
    assert "KIND:       Deployment" in text
    assert re.search(r"rollingUpdate\s+<RollingUpdateDeployment>\n\s+maxSurge\s+<IntOrString>", text), text
    assert "VERSION:    v1" in kubectl("explain", "pods")


def test_get_in_every_form(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=web:1", "--replicas=2")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    wide = kubectl("get", "deployment", "web", "-o", "wide")
    assert re.search(r"^web +2/2 +2 +2 +\S+ +web +web:1 +app=web$", wide, re.MULTILINE), wide
    pods = kubectl("get", "pods", "-l", "app=web", "--no-headers", "-o", "custom-columns=NODE:.spec.nodeName")
    assert set(pods.split()) == {"node-1", "node-2"}
    assert kubectl("get", "deployment", "web", "-o", "name") == "deployment.apps/web\n"
    assert "kind: Deployment" in kubectl("get", "deployment", "web", "-o", "yaml")
    assert kubectl("get", "deployment", "web", "-o", "go-template={{.spec.replicas}}") == "2"
    assert len(kubectl.json("get", "pods", "--field-selector=status.phase=Running")["items"]) == 2
    shown = kubectl("get", "all")
    assert [name for name in ("pod/web", "deployment.apps/web", "replicaset.apps/web") if name not in shown] == []
    assert "pods-total" not in kubectl("get", "pods", "--sort-by=.metadata.name", "--show-labels")
    raw = json.loads(kubectl("get", "--raw", f"/api/v1/namespaces/{kubectl.namespace}/pods?limit=1"))
    assert (len(raw["items"]), raw["metadata"]["remainingItemCount"]) == (1, 1)
    assert kubectl("get", "pods", "--chunk-size=1", "-o", "name").count("pod/") == 2


def test_get_watches_until_told(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "first")
    command = [
        PROGRAM,
        "--kubeconfig",
        kubectl.config,
        "-n",
        kubectl.namespace,
        "get",
        "configmaps",
        "-w",
        "-o",
        "name",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        lines = iter(watching.stdout.readline, "")
        found = {next(lines), next(lines)}
        kubectl("create", "configmap", "second")
        while "configmap/second\n" not in found:
            found.add(next(lines))
        watching.terminate()
    assert "configmap/first\n" in found


def test_describe_tells_the_story_of_a_pod(kubectl: Kubectl) -> None:
    kubectl("run", "web", "--image=web:1")
    kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=30s")
    text = kubectl("describe", "pod", "web")
    for part in ("Status:           Running", "Image:          web:1", "Scheduled", "Started"):
        assert part in text, text
    assert "Roles:" in kubectl("describe", "node", "node-1")
    assert "Status:       Active" in kubectl("describe", "namespace", kubectl.namespace)


def test_events_of_an_object_in_order(kubectl: Kubectl) -> None:
    kubectl("run", "web", "--image=web:1")
    kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=30s")
    text = kubectl("events", "--for", "pod/web")
    reasons = re.findall(r"Normal +(\w+)", text)
    assert reasons[0] == "Scheduled" and reasons[-1] == "Started", text


def test_wait_for_conditions_values_and_the_end(kubectl: Kubectl) -> None:
    kubectl("run", "once", "--image=works", "--restart=Never")
    kubectl("wait", "pod/once", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    kubectl("delete", "pod", "once", "--wait=false")
    kubectl("wait", "pod/once", "--for=delete", "--timeout=30s")
    kubectl("create", "configmap", "late", "--from-literal=a=b")
    kubectl("wait", "configmap/late", "--for=create", "--timeout=30s")


def test_auth_tells_who_may_what(kubectl: Kubectl) -> None:
    assert "kubernetes-admin" in kubectl("auth", "whoami")
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    assert "*.*" in kubectl("auth", "can-i", "--list")
    assert kubectl.run("auth", "can-i", "list", "secrets", "--as", "jane").stdout == "no\n"


def test_proxy_serves_the_api_without_credentials(kubectl: Kubectl) -> None:
    command = [PROGRAM, "--kubeconfig", kubectl.config, "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        address = proxy.stdout.readline().split()[-1]
        with urllib.request.urlopen(f"http://{address}/version") as answer:
            assert json.load(answer)["gitVersion"] == "v1.37.1"
        proxy.terminate()
    kubectl.seen.add("proxy")


def test_what_needs_a_process_says_that_the_pod_is_simulated(kubectl: Kubectl) -> None:
    kubectl("run", "web", "--image=web:1")
    kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=30s")
    for words in (["logs", "web"], ["exec", "web", "--", "true"], ["attach", "web"], ["cp", "web:/etc/hosts", "hosts"]):
        assert "simulated" in kubectl.refused(*words), words
    # They are seen on real nodes in tests/e2e.
    kubectl.seen.update(("logs", "exec", "attach", "cp", "port-forward"))
