"""sig-node: the objects around Pods that need no container to be seen."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Json, Kube, names
from tests.conformance.operations import refused, walk, walk_status


@pytest.mark.conformance("[sig-node] Lease lease API should be available [Conformance]")
def test_leases(kube: Kube, namespace: str) -> None:
    leases = kube.at("coordination.k8s.io/v1/leases", namespace)
    spec = {
        "holderIdentity": "holder",
        "leaseDurationSeconds": 30,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:05.000000Z",
        "leaseTransitions": 0,
    }
    leases.create({"metadata": {"name": "lease"}, "spec": spec})
    assert leases.get("lease")["spec"] == spec
    updated = leases.change("lease", lambda body: body["spec"].update(holderIdentity="holder2", leaseTransitions=1))
    assert leases.get("lease")["spec"] == updated["spec"] == spec | {"holderIdentity": "holder2", "leaseTransitions": 1}
    patched = leases.patch("lease", {"spec": {"holderIdentity": "holder3", "leaseTransitions": 2}}, "strategic-merge")
    assert patched["spec"] == spec | {"holderIdentity": "holder3", "leaseTransitions": 2}
    leases.create({"metadata": {"name": "second", "labels": {"x": "y"}}, "spec": spec})
    assert names(leases.items()) == ["lease", "second"]
    leases.delete_all(labelSelector="x=y")
    assert names(leases.items()) == ["lease"]
    leases.delete("lease")
    assert refused(lambda: leases.get("lease")).code == 404


@pytest.mark.conformance("[sig-node] RuntimeClass should support RuntimeClasses API operations [Conformance]")
def test_runtime_classes(kube: Kube) -> None:
    def runtime_class(name: str) -> Json:
        overhead = {"podFixed": {"cpu": "10m", "memory": "1Mi"}}
        scheduling = {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "c", "operator": "Exists"}]}
        return {"metadata": {"name": name}, "handler": "none", "overhead": overhead, "scheduling": scheduling}

    walk(kube, kube.at("node.k8s.io/v1/runtimeclasses"), runtime_class)


def pod(name: str, **spec: object) -> Json:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "runs"}], **spec}}


def template(name: str, **labels: str) -> Json:
    inner = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "runs"}]}}
    return {"metadata": {"name": name, "labels": labels}, "template": inner}


@pytest.mark.conformance("[sig-node] PodTemplates should run the lifecycle of PodTemplates [Conformance]")
def test_pod_templates(kube: Kube, namespace: str) -> None:
    walk(kube, kube.at("v1/podtemplates", namespace), template)


@pytest.mark.conformance("[sig-node] PodTemplates should delete a collection of pod templates [Conformance]")
def test_pod_templates_are_deleted_as_a_collection(kube: Kube, namespace: str) -> None:
    templates = kube.at("v1/podtemplates", namespace)
    for number in range(3):
        templates.create(template(f"t{number}", many="yes"))
    templates.create(template("other"))
    templates.delete_all(labelSelector="many=yes")
    assert names(templates.items()) == ["other"]


@pytest.mark.conformance("[sig-node] PodTemplates should replace a pod template [Conformance]")
def test_a_pod_template_is_replaced(kube: Kube, namespace: str) -> None:
    templates = kube.at("v1/podtemplates", namespace)
    templates.create(template("t"))
    replaced = templates.change("t", lambda body: body["template"]["spec"]["containers"][0].update(image="other"))
    assert replaced["template"]["spec"]["containers"][0]["image"] == "other"
    assert templates.get("t")["template"]["spec"]["containers"][0]["image"] == "other"


def crud(kube: Kube, version: str, body: Json, *, namespace: str = "", status: Json | None = None) -> None:
    resource = kube.at(version, namespace)
    walk(kube, resource, lambda name: {**body, "metadata": {"name": name}})
    if status is not None:
        resource.create({**body, "metadata": {"name": "with-status"}})
        walk_status(resource, "with-status", lambda found: found.setdefault("status", {}).update(status))
        resource.delete("with-status")


@pytest.mark.conformance("[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 DeviceClass [Conformance]")
def test_device_classes(kube: Kube) -> None:
    selector = {"cel": {"expression": 'device.driver == "gpu.example.com"'}}
    crud(kube, "resource.k8s.io/v1/deviceclasses", {"spec": {"selectors": [selector]}})


REQUEST = {"name": "gpu", "exactly": {"deviceClassName": "gpu.example.com"}}


@pytest.mark.conformance("[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaim [Conformance]")
def test_resource_claims(kube: Kube, namespace: str) -> None:
    claim = {"spec": {"devices": {"requests": [REQUEST]}}}
    device = {"request": "gpu", "driver": "gpu.example.com", "pool": "p", "device": "d"}
    status = {"allocation": {"devices": {"results": [device]}}}
    crud(kube, "resource.k8s.io/v1/resourceclaims", claim, namespace=namespace, status=status)


@pytest.mark.conformance("[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaimTemplate [Conformance]")
def test_resource_claim_templates(kube: Kube, namespace: str) -> None:
    inner = {"spec": {"devices": {"requests": [REQUEST]}}}
    crud(kube, "resource.k8s.io/v1/resourceclaimtemplates", {"spec": inner}, namespace=namespace)


@pytest.mark.conformance("[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceSlice [Conformance]")
def test_resource_slices(kube: Kube) -> None:
    pool = {"name": "p", "generation": 1, "resourceSliceCount": 1}
    body = {"spec": {"driver": "gpu.example.com", "nodeName": "n", "pool": pool, "devices": [{"name": "gpu-0"}]}}
    crud(kube, "resource.k8s.io/v1/resourceslices", body)


@pytest.mark.conformance("[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 DeviceTaintRule [Conformance]")
def test_device_taint_rules(kube: Kube) -> None:
    taint = {"key": "example.com/broken", "value": "yes", "effect": "NoSchedule"}
    body = {"spec": {"deviceSelector": {"driver": "gpu.example.com"}, "taint": taint}}
    condition = {"type": "Tried", "status": "True", "reason": "Test", "message": "m"}
    status = {"conditions": [condition | {"lastTransitionTime": "2026-01-01T00:00:00Z"}]}
    crud(kube, "resource.k8s.io/v1/devicetaintrules", body, status=status)


@pytest.mark.conformance("[sig-node] Node Lifecycle should run through the lifecycle of a node [Conformance]")
def test_nodes(kube: Kube) -> None:
    nodes = kube.at("v1/nodes")
    with nodes.watch(fieldSelector="metadata.name=by-hand") as watch:
        made = nodes.create(
            {"metadata": {"name": "by-hand", "labels": {"kind": "by-hand"}}, "spec": {"unschedulable": True}}
        )
        watch.until("ADDED")
        assert nodes.get("by-hand")["metadata"]["uid"] == made["metadata"]["uid"]
        assert (
            nodes.patch("by-hand", {"metadata": {"labels": {"patched": "yes"}}})["metadata"]["labels"]["patched"]
            == "yes"
        )
        watch.until("MODIFIED", lambda body: "patched" in body["metadata"]["labels"])
        nodes.change("by-hand", lambda body: body["metadata"]["labels"].update(updated="yes"))
        watch.until("MODIFIED", lambda body: "updated" in body["metadata"]["labels"])
        condition = {"type": "Tried", "status": "True", "reason": "Test", "message": "m"}
        patched = nodes.patch("by-hand", {"status": {"conditions": [condition]}}, "strategic-merge", "status")
        assert "Tried" in [each["type"] for each in patched["status"]["conditions"]]
        assert "Tried" in [each["type"] for each in nodes.get("by-hand", "status")["status"]["conditions"]]
        nodes.delete_all(labelSelector="kind=by-hand")
        watch.until("DELETED")
    assert "by-hand" not in names(nodes.items())


@pytest.mark.conformance("[sig-node] ConfigMap should fail to create ConfigMap with empty key [Conformance]")
def test_a_config_map_with_an_empty_key_is_refused(kube: Kube, namespace: str) -> None:
    body = {"metadata": {"name": "empty"}, "data": {"": "value"}}
    answer = refused(lambda: kube.at("v1/configmaps", namespace).create(body))
    assert (answer.code, answer.reason) == (422, "Invalid")


@pytest.mark.conformance("[sig-node] Secrets should fail to create secret due to empty secret key [Conformance]")
def test_a_secret_with_an_empty_key_is_refused(kube: Kube, namespace: str) -> None:
    body = {"metadata": {"name": "empty"}, "data": {"": "dmFsdWUtMQ=="}}
    answer = refused(lambda: kube.at("v1/secrets", namespace).create(body))
    assert (answer.code, answer.reason) == (422, "Invalid")


@pytest.mark.conformance("[sig-node] ConfigMap should run through a ConfigMap lifecycle [Conformance]")
def test_the_life_of_a_config_map(kube: Kube, namespace: str) -> None:
    maps = kube.at("v1/configmaps", namespace)
    with maps.watch(labelSelector="life=yes") as watch:
        maps.create({"metadata": {"name": "m", "labels": {"life": "yes"}}, "data": {"a": "1"}})
        watch.until("ADDED")
        maps.patch("m", {"metadata": {"labels": {"patched": "yes"}}, "data": {"a": "2"}})
        patched = watch.until("MODIFIED")
        assert (patched["metadata"]["labels"]["patched"], patched["data"]) == ("yes", {"a": "2"})
        assert names(maps.everywhere().items(labelSelector="life=yes,patched=yes")) == ["m"]
        maps.delete_all(labelSelector="life=yes")
        watch.until("DELETED")
    assert maps.items(labelSelector="life=yes") == []


@pytest.mark.conformance("[sig-node] Secrets should patch a secret [Conformance]")
def test_a_secret_is_patched(kube: Kube, namespace: str) -> None:
    secrets = kube.at("v1/secrets", namespace)
    secrets.create(
        {"metadata": {"name": "s", "labels": {"life": namespace}}, "data": {"key": "dmFsdWU="}, "type": "Opaque"}
    )
    assert (namespace, "s") in [
        (each["metadata"]["namespace"], each["metadata"]["name"])
        for each in secrets.everywhere().items(labelSelector=f"life={namespace}")
    ]
    secrets.patch("s", {"metadata": {"labels": {"patched": "true"}}, "data": {"key": "dmFsdWUx"}}, "strategic-merge")
    patched = secrets.get("s")
    assert (patched["data"], patched["metadata"]["labels"]["patched"]) == ({"key": "dmFsdWUx"}, "true")
    secrets.delete_all(labelSelector=f"life={namespace}")
    assert secrets.everywhere().items(labelSelector=f"life={namespace}") == []


@pytest.mark.conformance(
    "[sig-node] Pods Extended Pods Set QOS Class should be set on Pods with matching resource requests and limits for"
    " memory and cpu [Conformance]"
)
def test_equal_requests_and_limits_are_guaranteed(kube: Kube, namespace: str) -> None:
    resources = {"requests": {"cpu": "100m", "memory": "100Mi"}, "limits": {"cpu": "100m", "memory": "100Mi"}}
    made = kube.at("v1/pods", namespace).create(
        {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "runs", "resources": resources}]}}
    )
    assert made["status"]["qosClass"] == "Guaranteed"


@pytest.mark.conformance("[sig-node] Pods should delete a collection of pods [Conformance]")
def test_pods_are_deleted_as_a_collection(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    for number in range(3):
        pods.create(pod(f"p{number}") | {"metadata": {"name": f"p{number}", "labels": {"type": "Testing"}}})
    pods.settled(lambda items: len(items) == 3, labelSelector="type=Testing")
    pods.delete_all(labelSelector="type=Testing")
    pods.settled(lambda items: not items, labelSelector="type=Testing")


@pytest.mark.conformance("[sig-node] Pods should patch a pod status [Conformance]")
def test_the_status_of_a_pod_is_patched_by_itself(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p"))
    pods.until("p", lambda body: body["status"]["phase"] == "Running")
    patch = {"metadata": {"annotations": {"by": "status"}}, "status": {"message": "Patched by a test", "reason": "E2E"}}
    patched = pods.patch("p", patch, subresource="status")
    assert (patched["status"]["message"], patched["status"]["reason"]) == ("Patched by a test", "E2E")
    assert patched["metadata"]["annotations"]["by"] == "status"


@pytest.mark.conformance("[sig-node] Pods should run through the lifecycle of Pods and PodStatus [Conformance]")
def test_the_life_of_a_pod_and_its_status(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    with pods.watch(labelSelector="life=yes") as watch:
        pods.create(pod("p") | {"metadata": {"name": "p", "labels": {"life": "yes"}}})
        watch.until("ADDED")
        pods.until("p", lambda body: body["status"]["phase"] == "Running")
        pods.patch(
            "p",
            {"metadata": {"labels": {"patched": "yes"}}, "spec": {"containers": [{"name": "c", "image": "other"}]}},
            "strategic-merge",
        )
        changed = watch.until("MODIFIED", lambda body: "patched" in body["metadata"]["labels"])
        assert changed["spec"]["containers"][0]["image"] == "other"
        assert names(pods.everywhere().items(labelSelector="life=yes,patched=yes")) == ["p"]

        def not_ready(body: Json) -> None:
            for condition in body["status"]["conditions"]:
                if condition["type"] == "Ready":
                    condition.update(status="False")

        replaced = pods.change("p", not_ready, "status")
        assert {each["type"]: each["status"] for each in replaced["status"]["conditions"]}["Ready"] == "False"
        pods.delete_all(labelSelector="life=yes")
        watch.until("DELETED")
    pods.settled(lambda items: not items, labelSelector="life=yes")


@pytest.mark.conformance("[sig-node] Pods should be submitted and removed [Conformance] [NodeConformance]")
def test_a_pod_is_submitted_and_removed(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    assert pods.items(labelSelector="time=now") == []
    with pods.watch(labelSelector="time=now") as watch:
        pods.create(pod("p") | {"metadata": {"name": "p", "labels": {"time": "now"}}})
        watch.until("ADDED")
        pods.until("p", lambda body: body["status"]["phase"] == "Running")
        pods.delete("p", gracePeriodSeconds=30)
        going = watch.until("MODIFIED", lambda body: "deletionTimestamp" in body["metadata"])
        assert going["metadata"]["deletionGracePeriodSeconds"] == 30
        last = watch.until("DELETED")
    assert last["metadata"]["deletionTimestamp"] and last["spec"]["terminationGracePeriodSeconds"] == 30
    assert pods.items(labelSelector="time=now") == []


@pytest.mark.conformance("[sig-node] Pods should be updated [Conformance] [NodeConformance]")
def test_the_labels_of_a_running_pod_are_updated(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p") | {"metadata": {"name": "p", "labels": {"time": "then"}}})
    pods.until("p", lambda body: body["status"]["phase"] == "Running")
    pods.change("p", lambda body: body["metadata"]["labels"].update(time="now"))
    assert names(pods.items(labelSelector="time=now")) == ["p"]
    assert pods.until("p", lambda body: body["status"]["phase"] == "Running")["metadata"]["labels"] == {"time": "now"}


@pytest.mark.conformance("[sig-node] Pods should get a host IP [Conformance] [NodeConformance]")
def test_a_running_pod_tells_the_address_of_its_node(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p"))
    status = pods.until("p", lambda body: body["status"].get("hostIP"))["status"]
    assert status["hostIP"].startswith("172.31.0.") and status["hostIPs"] == [{"ip": status["hostIP"]}]


@pytest.mark.conformance(
    "[sig-node] Pods should allow activeDeadlineSeconds to be updated [Conformance] [NodeConformance]"
)
def test_a_deadline_given_later_ends_the_pod(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p"))
    pods.until("p", lambda body: body["status"]["phase"] == "Running")
    pods.change("p", lambda body: body["spec"].update(activeDeadlineSeconds=1))
    status = pods.until("p", lambda body: body["status"]["phase"] == "Failed")["status"]
    assert status["reason"] == "DeadlineExceeded"


@pytest.mark.conformance(
    "[sig-node] Pods Extended (pod generation) Pod Generation custom-set generation on new pods and graceful delete"
    " [Conformance]"
)
def test_a_pod_starts_at_generation_one_and_its_deletion_counts(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    made = pods.create({**pod("p"), "metadata": {"name": "p", "generation": 100, "finalizers": ["example.com/stay"]}})
    assert made["metadata"]["generation"] == 1
    pods.until("p", lambda body: body["status"]["phase"] == "Running")
    pods.delete("p", gracePeriodSeconds=5)
    assert pods.get("p")["metadata"]["generation"] == 2
    pods.patch("p", {"metadata": {"finalizers": None}})
    pods.gone("p")
