"""sig-api-machinery: namespaces are changed like any object, and take what is in them along, Pods first."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Json, Kube, conditions, eventually
from tests.conformance.operations import refused


def pod(name: str, **metadata: object) -> Json:
    spec = {"containers": [{"name": "c", "image": "runs"}]}
    return {"metadata": {"name": name, **metadata}, "spec": spec}


@pytest.mark.conformance("[sig-api-machinery] Namespaces should patch a Namespace [Conformance] [Serial]")
def test_a_namespace_is_patched(kube: Kube, namespace: str) -> None:
    patched = kube.at("v1/namespaces").patch(namespace, {"metadata": {"labels": {"testLabel": "testValue"}}})
    assert patched["metadata"]["labels"]["testLabel"] == "testValue"
    assert patched["metadata"]["labels"]["kubernetes.io/metadata.name"] == namespace


@pytest.mark.conformance("[sig-api-machinery] Namespaces should apply an update to a Namespace [Conformance] [Serial]")
def test_a_namespace_is_updated(kube: Kube, namespace: str) -> None:
    updated = kube.at("v1/namespaces").change(namespace, lambda body: body["metadata"]["labels"].update(updated="yes"))
    assert updated["metadata"]["labels"]["updated"] == "yes"


@pytest.mark.conformance(
    "[sig-api-machinery] Namespaces should apply changes to a namespace status [Conformance] [Serial]"
)
def test_the_status_of_a_namespace_is_written_by_itself(kube: Kube, namespace: str) -> None:
    namespaces = kube.at("v1/namespaces")
    assert namespaces.get(namespace, "status")["status"] == {"phase": "Active"}
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "set by a test"}
    patched = namespaces.patch(namespace, {"status": {"conditions": [condition]}}, subresource="status")
    assert patched["status"]["conditions"][0]["type"] == "StatusUpdate"

    def update(body: Json) -> None:
        body["status"]["conditions"][0].update(type="StatusUpdated")

    assert conditions(namespaces.change(namespace, update, "status")) == {"StatusUpdated": "True"}


@pytest.mark.conformance(
    "[sig-api-machinery] Namespaces should apply a finalizer to a Namespace [Conformance] [Serial]"
)
def test_the_finalizers_of_a_namespace_have_a_path_of_their_own(kube: Kube, namespace: str) -> None:
    namespaces = kube.at("v1/namespaces")
    assert namespaces.get(namespace)["spec"]["finalizers"] == ["kubernetes"]
    kept = namespaces.change(namespace, lambda body: body["spec"].update(finalizers=["example.com/mine", "kubernetes"]))
    assert kept["spec"]["finalizers"] == ["kubernetes"]
    made = namespaces.change(
        namespace, lambda body: body["spec"].update(finalizers=["example.com/mine", "kubernetes"]), "finalize"
    )
    assert made["spec"]["finalizers"] == ["example.com/mine", "kubernetes"]
    made = namespaces.change(namespace, lambda body: body["spec"].update(finalizers=["kubernetes"]), "finalize")
    assert made["spec"]["finalizers"] == ["kubernetes"]


@pytest.mark.conformance(
    "[sig-api-machinery] Namespaces should ensure that all pods are removed when a namespace is deleted [Conformance]"
    " [Serial]"
)
def test_pods_go_with_their_namespace(kube: Kube, namespace: str) -> None:
    goes_with_its_namespace(kube, namespace, "v1/pods", pod("p"))


@pytest.mark.conformance(
    "[sig-api-machinery] Namespaces should ensure that all services are removed when a namespace is deleted"
    " [Conformance] [Serial]"
)
def test_services_go_with_their_namespace(kube: Kube, namespace: str) -> None:
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}}
    goes_with_its_namespace(kube, namespace, "v1/services", service)


def goes_with_its_namespace(kube: Kube, namespace: str, resource: str, body: Json) -> None:
    kube.at(resource, namespace).create(body)
    kube.at("v1/namespaces").delete(namespace)
    kube.at("v1/namespaces").gone(namespace)
    kube.at("v1/namespaces").create({"metadata": {"name": namespace}})
    assert kube.at(resource, namespace).items() == []


@pytest.mark.conformance(
    "[sig-api-machinery] OrderedNamespaceDeletion namespace deletion should delete pod first [Conformance]"
)
def test_pods_are_deleted_before_all_else(kube: Kube, namespace: str) -> None:
    pods, maps, namespaces = (
        kube.at("v1/pods", namespace),
        kube.at("v1/configmaps", namespace),
        kube.at("v1/namespaces"),
    )
    pods.create(pod("stays", finalizers=["example.com/stay"]))
    pods.until("stays", lambda body: body["status"]["phase"] == "Running")
    maps.create({"metadata": {"name": "later", "finalizers": ["example.com/stay"]}})
    namespaces.delete(namespace)
    pods.until("stays", lambda body: "deletionTimestamp" in body["metadata"])
    namespaces.until(namespace, lambda body: conditions(body).get("NamespaceDeletionContentFailure") is not None)
    assert "deletionTimestamp" not in maps.get("later")["metadata"]
    pods.patch("stays", {"metadata": {"finalizers": None}})
    maps.until("later", lambda body: "deletionTimestamp" in body["metadata"])
    assert refused(lambda: pods.get("stays")).code == 404
    maps.patch("later", {"metadata": {"finalizers": None}})
    eventually(lambda: not namespaces.items(fieldSelector=f"metadata.name={namespace}"))
