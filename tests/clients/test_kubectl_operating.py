"""kubectl, the subcommands that operate workloads and nodes."""

from __future__ import annotations

import json

from tests.clients.kubectl import Kubectl


def deployed(kubectl: Kubectl, replicas: int = 1) -> None:
    kubectl("create", "deployment", "web", "--image=web:1", f"--replicas={replicas}")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")


def test_a_rollout_is_paused_resumed_looked_at_and_undone(kubectl: Kubectl) -> None:
    deployed(kubectl)
    kubectl("rollout", "pause", "deployment/web")
    kubectl("set", "image", "deployment/web", "web=web:2")
    kubectl("annotate", "deployment", "web", "kubernetes.io/change-cause=second")
    kubectl("rollout", "resume", "deployment/web")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    history = kubectl("rollout", "history", "deployment/web")
    assert "2         second" in history, history
    assert "web:1" in kubectl("rollout", "history", "deployment/web", "--revision=1")
    kubectl("rollout", "undo", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert kubectl.value("deployment/web", ".spec.template.spec.containers[0].image") == "web:1"
    kubectl("rollout", "restart", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert "restartedAt" in kubectl.value("deployment/web", ".spec.template.metadata.annotations")


def test_the_parts_of_a_template_are_set(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=web:1", "--replicas=0")
    kubectl("create", "serviceaccount", "bot")
    kubectl("create", "configmap", "settings", "--from-literal=COLOR=red")
    kubectl("set", "env", "deployment/web", "NAME=mine")
    kubectl("set", "env", "deployment/web", "--from=configmap/settings")
    kubectl("set", "resources", "deployment/web", "--limits=cpu=200m,memory=64Mi")
    kubectl("set", "serviceaccount", "deployment/web", "bot")
    spec = kubectl.json("get", "deployment", "web")["spec"]["template"]["spec"]
    container = spec["containers"][0]
    assert {each["name"] for each in container["env"]} == {"NAME", "COLOR"}
    assert (container["resources"]["limits"], spec["serviceAccountName"]) == ({"cpu": "200m", "memory": "64Mi"}, "bot")
    kubectl("create", "service", "clusterip", "web", "--tcp=80:80")
    kubectl("set", "selector", "service", "web", "app=web,tier=front")
    assert kubectl.json("get", "service", "web")["spec"]["selector"] == {"app": "web", "tier": "front"}
    kubectl("create", "rolebinding", "view", "--clusterrole=view", "--user=jane")
    kubectl("set", "subject", "rolebinding", "view", "--user=joe")
    assert kubectl.value("rolebinding/view", ".subjects[*].name") == "jane joe"


def test_scale_autoscale_and_expose(kubectl: Kubectl) -> None:
    deployed(kubectl)
    kubectl("scale", "deployment/web", "--replicas=3", "--current-replicas=1")
    kubectl("wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=30s")
    kubectl("autoscale", "deployment", "web", "--min=1", "--max=5", "--cpu=80%")
    assert kubectl.value("hpa/web", ".spec.maxReplicas") == "5"
    kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080", "--type=NodePort")
    kubectl("wait", "endpointslice", "-l", "kubernetes.io/service-name=web", "--for=create", "--timeout=30s")
    assert kubectl.value("service/web", ".spec.ports[0].targetPort") == "8080"


def test_a_node_is_cordoned_drained_tainted_and_comes_back(kubectl: Kubectl) -> None:
    deployed(kubectl, replicas=4)
    on_second = ("get", "pods", "--field-selector=spec.nodeName=node-2,status.phase=Running", "-o", "name")
    assert kubectl(*on_second)
    kubectl("cordon", "node-2")
    assert "SchedulingDisabled" in kubectl("get", "node", "node-2")
    kubectl("drain", "node-2", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=30s")
    assert kubectl(*on_second) == ""
    kubectl("uncordon", "node-2")
    kubectl("taint", "nodes", "node-2", "team=other:NoSchedule")
    assert "team" in kubectl.value("node/node-2", ".spec.taints[*].key")
    kubectl("taint", "nodes", "node-2", "team-")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")


def test_run_makes_a_pod_and_debug_adds_a_container_or_a_copy(kubectl: Kubectl) -> None:
    assert kubectl("run", "web", "--image=web:1", "--env=A=b", "--labels=app=web") == "pod/web created\n"
    kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=30s")
    kubectl("debug", "web", "--image=tools", "--container=tools", "--attach=false", "--profile=general")
    names = kubectl.value("pod/web", ".spec.ephemeralContainers[*].name")
    assert names == "tools"
    kubectl("debug", "web", "--image=tools", "--copy-to=copy", "--attach=false", "--profile=general")
    assert "tools" in kubectl.value("pod/copy", ".spec.containers[*].image")


def test_a_job_from_a_cron_job_ends(kubectl: Kubectl) -> None:
    kubectl("create", "cronjob", "nightly", "--image=works", "--schedule=0 3 * * *")
    kubectl("create", "job", "now", "--from=cronjob/nightly")
    kubectl("wait", "job/now", "--for=condition=Complete", "--timeout=30s")


def test_a_namespace_goes_with_all_that_is_in_it(kubectl: Kubectl) -> None:
    deployed(kubectl)
    kubectl("create", "configmap", "mine")
    kubectl("delete", "namespace", kubectl.namespace, "--timeout=30s")
    assert "not found" in kubectl.refused("get", "namespace", kubectl.namespace)


def test_top_shows_nodes_and_pods(kubectl: Kubectl) -> None:
    kubectl("run", "web", "--image=web:1")
    kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=30s")
    assert "node-1" in kubectl("top", "node", "--no-headers")
    assert "web" in kubectl("top", "pod", "web", "--no-headers")


def test_custom_resources_are_listed_by_their_own_names(kubectl: Kubectl) -> None:
    names = {"plural": "boats", "singular": "boat", "kind": "Boat", "shortNames": ["bt"], "listKind": "BoatList"}
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"sails": {"type": "integer"}}}},
    }
    column = {"name": "Sails", "type": "integer", "jsonPath": ".spec.sails"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "clients.example", "scope": "Namespaced", "names": names}
    kubectl.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "boats.clients.example"},
            "spec": spec | {"versions": [version | {"additionalPrinterColumns": [column]}]},
        }
    )
    kubectl("wait", "crd/boats.clients.example", "--for=condition=Established", "--timeout=30s")
    boat = {"apiVersion": "clients.example/v1", "kind": "Boat", "metadata": {"name": "mine"}, "spec": {"sails": 3}}
    assert kubectl.apply(boat) == "boat.clients.example/mine created\n"
    assert kubectl("get", "bt").split() == ["NAME", "SAILS", "mine", "3"]
    assert "sails\t<integer>" in kubectl("explain", "boat.spec")
    many = json.dumps(boat | {"spec": {"sails": "many"}})
    assert 'spec.sails: Invalid value: "string"' in kubectl.refused(
        "create", "-f", "-", stdin=many.replace("mine", "no")
    )
    kubectl("delete", "crd", "boats.clients.example", "--timeout=30s")
