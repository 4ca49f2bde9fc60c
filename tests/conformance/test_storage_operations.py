"""sig-storage: volumes, classes and drivers as objects, and what may be changed of immutable maps."""

from __future__ import annotations

import base64

import pytest

from tests.conformance.kube import Json, Kube, names
from tests.conformance.operations import refused, walk, walk_status


@pytest.mark.conformance(
    "[sig-storage] CSIStorageCapacity should support CSIStorageCapacities API operations [Conformance]"
)
def test_csi_storage_capacities(kube: Kube, namespace: str) -> None:
    capacities = kube.at("storage.k8s.io/v1/csistoragecapacities", namespace)
    walk(kube, capacities, lambda name: {"metadata": {"name": name}, "storageClassName": "local", "capacity": "8Ti"})


@pytest.mark.conformance("[sig-storage] CSIInlineVolumes should run through the lifecycle of a CSIDriver [Conformance]")
def test_csi_drivers(kube: Kube) -> None:
    def driver(name: str) -> Json:
        spec = {"attachRequired": False, "podInfoOnMount": True, "volumeLifecycleModes": ["Ephemeral"]}
        return {"metadata": {"name": name}, "spec": spec}

    walk(kube, kube.at("storage.k8s.io/v1/csidrivers"), driver)


@pytest.mark.conformance("[sig-storage] CSIInlineVolumes should support CSIVolumeSource in Pod API [Conformance]")
def test_a_pod_carries_an_inline_csi_volume(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    source = {"driver": "inline.example.com", "readOnly": False, "volumeAttributes": {"a": "b"}}
    container = {"name": "c", "image": "runs", "volumeMounts": [{"name": "inline", "mountPath": "/mnt"}]}
    spec = {"containers": [container], "volumes": [{"name": "inline", "csi": source}], "nodeName": "no-such-node"}
    made = pods.create({"metadata": {"name": "inline", "labels": {"test": "inline"}}, "spec": spec})
    assert made["spec"]["volumes"][0] == {"name": "inline", "csi": source}
    assert pods.get("inline")["spec"]["volumes"][0]["csi"] == source
    assert names(pods.items(labelSelector="test=inline")) == ["inline"]
    patched = pods.patch("inline", {"metadata": {"annotations": {"patched": "yes"}}})
    assert patched["spec"]["volumes"] == made["spec"]["volumes"]
    pods.delete_all(labelSelector="test=inline", gracePeriodSeconds=0)
    pods.gone("inline")


@pytest.mark.conformance(
    "[sig-storage] CSINodes CSI Conformance should run through the lifecycle of a csinode [Conformance]"
)
def test_csi_nodes(kube: Kube) -> None:
    nodes = kube.at("storage.k8s.io/v1/csinodes")
    driver = {"name": "example.com", "nodeID": "n", "topologyKeys": ["example.com/zone"]}
    walk(kube, nodes, lambda name: {"metadata": {"name": name}, "spec": {"drivers": []}})
    nodes.create({"metadata": {"name": "with-driver"}, "spec": {"drivers": [driver]}})
    assert nodes.get("with-driver")["spec"]["drivers"] == [driver]
    nodes.delete("with-driver")


@pytest.mark.conformance(
    "[sig-storage] StorageClasses CSI Conformance should run through the lifecycle of a StorageClass [Conformance]"
)
def test_storage_classes(kube: Kube) -> None:
    def storage_class(name: str) -> Json:
        return {"metadata": {"name": name}, "provisioner": "example.com/generic", "parameters": {"a": "b"}}

    classes = kube.at("storage.k8s.io/v1/storageclasses")
    walk(kube, classes, storage_class)
    made = classes.create(storage_class("with-defaults"))
    assert (made["reclaimPolicy"], made["volumeBindingMode"]) == ("Delete", "Immediate")
    classes.delete("with-defaults")


@pytest.mark.conformance(
    "[sig-storage] VolumeAttributesClass [FeatureGate:VolumeAttributesClass] should run through the lifecycle of a"
    " VolumeAttributesClass [Conformance]"
)
def test_volume_attributes_classes(kube: Kube) -> None:
    def attributes_class(name: str) -> Json:
        return {"metadata": {"name": name}, "driverName": "example.com", "parameters": {"iops": "1000"}}

    walk(kube, kube.at("storage.k8s.io/v1/volumeattributesclasses"), attributes_class)


def attachment(name: str) -> Json:
    source = {"persistentVolumeName": "no-such-volume"}
    return {"metadata": {"name": name}, "spec": {"attacher": "example.com", "nodeName": "no-node", "source": source}}


@pytest.mark.conformance(
    "[sig-storage] VolumeAttachment Conformance should run through the lifecycle of a VolumeAttachment [Conformance]"
)
def test_volume_attachments(kube: Kube) -> None:
    walk(kube, kube.at("storage.k8s.io/v1/volumeattachments"), attachment)


@pytest.mark.conformance(
    "[sig-storage] VolumeAttachment Conformance should apply changes to a volumeattachment status [Conformance]"
)
def test_the_status_of_a_volume_attachment_is_written_by_itself(kube: Kube) -> None:
    attachments = kube.at("storage.k8s.io/v1/volumeattachments")
    attachments.create(attachment("with-status"))
    walk_status(attachments, "with-status", lambda body: body["status"].update(attached=True))
    assert attachments.get("with-status")["status"]["attached"] is True
    attachments.delete("with-status")


def volume(name: str) -> Json:
    return {
        "metadata": {"name": name, "labels": {"volume": "conformance"}},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": f"class-of-{name}",
            "persistentVolumeReclaimPolicy": "Retain",
            "csi": {"driver": "example.com", "volumeHandle": name},
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["none"]}]}
                    ]
                }
            },
        },
    }


def claim(name: str, volume_class: str = "class-of-nobody") -> Json:
    return {
        "metadata": {"name": name, "labels": {"claim": name}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": volume_class,
        },
    }


@pytest.mark.conformance(
    "[sig-storage] PersistentVolumes CSI Conformance should run through the lifecycle of a PV and a PVC [Conformance]"
)
def test_persistent_volumes_and_claims(kube: Kube, namespace: str) -> None:
    volumes, claims = kube.at("v1/persistentvolumes"), kube.at("v1/persistentvolumeclaims", namespace)
    name = f"pv-{namespace}"
    volumes.create(volume(name))
    claims.create(claim("data"))
    assert volumes.get(name)["spec"]["csi"]["volumeHandle"] == name
    assert claims.get("data")["spec"]["storageClassName"] == "class-of-nobody"
    assert name in names(volumes.items(labelSelector="volume=conformance"))
    assert names(claims.everywhere().items(labelSelector="claim=data")) == ["data"]
    assert volumes.patch(name, {"metadata": {"labels": {name: "patched"}}})["metadata"]["labels"][name] == "patched"
    assert (
        claims.patch("data", {"metadata": {"labels": {"data": "patched"}}})["metadata"]["labels"]["data"] == "patched"
    )
    volumes.change(name, lambda body: body["metadata"]["labels"].update({name: "updated"}))
    claims.change("data", lambda body: body["metadata"]["labels"].update(data="updated"))
    assert names(volumes.items(labelSelector=f"{name}=updated")) == [name]
    assert names(claims.items(labelSelector="data=updated")) == ["data"]
    claims.delete_all(labelSelector="data=updated")
    claims.gone("data")
    volumes.delete(name)
    volumes.gone(name)


@pytest.mark.conformance(
    "[sig-storage] PersistentVolumes CSI Conformance should apply changes to a pv/pvc status [Conformance]"
)
def test_the_status_of_volumes_and_claims_is_written_by_itself(kube: Kube, namespace: str) -> None:
    volumes, claims = kube.at("v1/persistentvolumes"), kube.at("v1/persistentvolumeclaims", namespace)
    name = f"pv-{namespace}"
    volumes.create(volume(name))
    claims.create(claim("data"))
    assert claims.get("data", "status")["metadata"]["name"] == "data"

    def condition(body: Json) -> None:
        found = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "set by a test"}
        body["status"]["conditions"] = [found | {"lastTransitionTime": "2026-01-01T00:00:00Z"}]

    updated = claims.change("data", condition, "status")
    assert updated["status"]["conditions"][0]["type"] == "StatusUpdate"
    patched = claims.patch("data", {"status": {"conditions": []}}, subresource="status")
    assert not patched["status"].get("conditions")
    assert volumes.get(name, "status")["metadata"]["name"] == name
    told = volumes.patch(
        name, {"status": {"message": "StatusPatched", "reason": "E2E patchStatus"}}, subresource="status"
    )
    assert (told["status"]["message"], told["status"]["reason"]) == ("StatusPatched", "E2E patchStatus")
    told = volumes.change(name, lambda body: body["status"].update(message="StatusUpdated"), "status")
    assert told["status"]["message"] == "StatusUpdated"
    claims.delete("data")
    volumes.delete(name)


@pytest.mark.conformance("[sig-storage] ConfigMap should be immutable if `immutable` field is set [Conformance]")
def test_an_immutable_config_map_stays_as_it_is(kube: Kube, namespace: str) -> None:
    maps = kube.at("v1/configmaps", namespace)
    maps.create({"metadata": {"name": "fixed"}, "data": {"a": "1"}})
    maps.patch("fixed", {"data": {"a": "2"}})
    maps.patch("fixed", {"immutable": True})
    stays_immutable(kube, namespace, "configmaps", {"a": "3"})


@pytest.mark.conformance("[sig-storage] Secrets should be immutable if `immutable` field is set [Conformance]")
def test_an_immutable_secret_stays_as_it_is(kube: Kube, namespace: str) -> None:
    secrets = kube.at("v1/secrets", namespace)
    secrets.create({"metadata": {"name": "fixed"}, "stringData": {"a": "1"}})
    secrets.patch("fixed", {"data": {"a": base64.b64encode(b"2").decode()}})
    secrets.patch("fixed", {"immutable": True})
    stays_immutable(kube, namespace, "secrets", {"a": base64.b64encode(b"3").decode()})


def stays_immutable(kube: Kube, namespace: str, plural: str, data: Json) -> None:
    objects = kube.at(f"v1/{plural}", namespace)
    for change in ({"immutable": False}, {"immutable": None}, {"data": data}):
        answer = refused(lambda change=change: objects.patch("fixed", change))
        assert answer.code == 422
        assert "Forbidden: field is immutable when `immutable` is set" in answer.message
    assert objects.patch("fixed", {"metadata": {"labels": {"still": "free"}}})["metadata"]["labels"] == {
        "still": "free"
    }
    objects.delete("fixed")
    objects.gone("fixed")
