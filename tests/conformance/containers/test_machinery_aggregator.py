"""sig-api-machinery: an API server of somebody else's in a Pod, joined to the cluster's API."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from podling.env import SystemEnv
from podling.pki.ca import CertificateAuthority
from tests.conformance import sampleserver
from tests.conformance.containers.pods import IMAGE
from tests.conformance.kube import Json, Kube, Refused, conditions, eventually, names
from tests.conformance.sampleserver import GROUP, VERSION
from tests.e2e.harness import Cluster

SERVICE, APISERVICE = "sample-api", f"{VERSION}.{GROUP}"
RBAC = "rbac.authorization.k8s.io/v1"


def deployment() -> Json:
    """The server's program from a ConfigMap, its certificate from a Secret."""
    container = {
        "name": "sample",
        "image": IMAGE,
        "command": ["python3", "/program/sampleserver.py"],
        "env": [{"name": "CERTIFICATE", "value": "/tls/pair.pem"}],
        "volumeMounts": [{"name": "program", "mountPath": "/program"}, {"name": "tls", "mountPath": "/tls"}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8443, "scheme": "HTTPS"}, "periodSeconds": 1},
    }
    volumes = [
        {"name": "program", "configMap": {"name": "sample-program"}},
        {"name": "tls", "secret": {"secretName": "sample-tls"}},
    ]
    pod = {"serviceAccountName": "sample", "containers": [container], "volumes": volumes}
    template = {"metadata": {"labels": {"app": "sample"}}, "spec": {**pod, "terminationGracePeriodSeconds": 1}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "sample"}}, "template": template}
    return {"metadata": {"name": "sample"}, "spec": spec}


def rights(kube: Kube, namespace: str) -> None:
    """The server may find out who asks and whether he may."""
    subject = {"kind": "ServiceAccount", "name": "sample", "namespace": namespace}
    delegator = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"}
    kube.at(f"{RBAC}/clusterrolebindings").create(
        {"metadata": {"name": f"sample:{namespace}"}, "roleRef": delegator, "subjects": [subject]}
    )
    reader = {**delegator, "kind": "Role", "name": "extension-apiserver-authentication-reader"}
    kube.at(f"{RBAC}/rolebindings", "kube-system").create(
        {"metadata": {"name": f"sample:{namespace}"}, "roleRef": reader, "subjects": [subject]}
    )


@pytest.fixture
def sample(kube: Kube, namespace: str) -> Iterator[str]:
    """The server runs and is joined; the namespace it is in."""
    authority = CertificateAuthority.create("sample", SystemEnv().now())
    pair = authority.serving(SERVICE, [f"{SERVICE}.{namespace}.svc"], SystemEnv().now())
    program = Path(sampleserver.__file__).read_text()
    encoded = base64.b64encode(pair.certificate + pair.key).decode()
    kube.at("v1/configmaps", namespace).create(
        {"metadata": {"name": "sample-program"}, "data": {"sampleserver.py": program}}
    )
    kube.at("v1/secrets", namespace).create({"metadata": {"name": "sample-tls"}, "data": {"pair.pem": encoded}})
    kube.at("v1/serviceaccounts", namespace).create({"metadata": {"name": "sample"}})
    rights(kube, namespace)
    kube.at("apps/v1/deployments", namespace).create(deployment())
    ports = [{"port": 7443, "targetPort": 8443}]
    service = {"selector": {"app": "sample"}, "ports": ports}
    kube.at("v1/services", namespace).create({"metadata": {"name": SERVICE}, "spec": service})
    apiservices = kube.at("apiregistration.k8s.io/v1/apiservices")
    apiservices.create(apiservice(namespace, authority))
    try:
        apiservices.until(APISERVICE, lambda found: conditions(found).get("Available") == "True")
        yield namespace
    finally:
        for resource, where in (("clusterrolebindings", ""), ("rolebindings", "kube-system")):
            kube.at(f"{RBAC}/{resource}", where).delete(f"sample:{namespace}")
        if apiservices.items(fieldSelector=f"metadata.name={APISERVICE}"):
            apiservices.delete(APISERVICE)


def apiservice(namespace: str, authority: CertificateAuthority) -> Json:
    spec = {
        "group": GROUP,
        "version": VERSION,
        "service": {"name": SERVICE, "namespace": namespace, "port": 7443},
        "caBundle": base64.b64encode(authority.pair.certificate).decode(),
        "groupPriorityMinimum": 2000,
        "versionPriority": 200,
    }
    return {"metadata": {"name": APISERVICE, "labels": {"sample": "yes"}}, "spec": spec}


@pytest.mark.conformance(
    "[sig-api-machinery] Aggregator Should be able to support the 1.17 Sample API Server using the current Aggregator "
    "[LinuxOnly] [Conformance]"
)
def test_another_api_server_is_part_of_the_api(kube: Kube, cluster: Cluster, sample: str) -> None:
    objects_come_and_go(kube, sample)
    kubectl_works(cluster, sample)
    others_need_rights(kube, sample)
    what_is_owned_goes_with_its_owner(kube, sample)
    the_registration_is_an_object_like_others(kube)


def objects_come_and_go(kube: Kube, namespace: str) -> None:
    flunders = kube.at(f"{GROUP}/{VERSION}/flunders", namespace)
    made = flunders.create({"metadata": {"generateName": "test-flunder-"}, "spec": {"reference": "x"}})
    name = made["metadata"]["name"]
    assert names(flunders.items()) == [name] and flunders.get(name) == made
    with flunders.watch(resourceVersion=made["metadata"]["resourceVersion"]) as watch:
        patched = flunders.patch(name, {"metadata": {"labels": {"a": "b"}}})
        assert watch.until("MODIFIED") == patched
        flunders.delete(name)
        watch.until("DELETED")
    assert flunders.items() == []
    fischers = kube.at(f"{GROUP}/{VERSION}/fischers")
    fischers.create({"metadata": {"name": "strict"}, "disallowedFlunders": ["bad"]})
    with pytest.raises(Refused, match='"bad" is forbidden: banned'):
        flunders.create({"metadata": {"name": "bad"}})
    fischers.delete("strict")


def kubectl_works(cluster: Cluster, namespace: str) -> None:
    body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flunder", "metadata": {"name": "mine", "namespace": namespace}}
    created = cluster.kubectl("create", "-f", "-", stdin=json.dumps(body)).ok().out
    assert created == f"flunder.{GROUP}/mine created\n"
    assert "mine" in cluster.kubectl("get", "flunders", "-n", namespace).ok().out
    assert "flunders" in cluster.kubectl("api-resources", f"--api-group={GROUP}").ok().out
    cluster.kubectl("label", "flunder", "mine", "-n", namespace, "a=b").ok()
    assert (
        cluster.kubectl("get", "flunders", "-n", namespace, "-o", "jsonpath={.items[*].metadata.labels.a}").out == "b"
    )
    cluster.kubectl("delete", "flunder", "mine", "-n", namespace).ok()


def others_need_rights(kube: Kube, namespace: str) -> None:
    """The sample asks the cluster about every user, whom it knows from the front proxy only."""
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/flunders"
    as_jane = {"Impersonate-User": "jane", "Impersonate-Group": "system:authenticated"}
    assert kube.http.get(path, headers=as_jane).status_code == 403
    rule = {"apiGroups": [GROUP], "resources": ["flunders"], "verbs": ["list"]}
    kube.at(f"{RBAC}/roles", namespace).create({"metadata": {"name": "reader"}, "rules": [rule]})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}
    kube.at(f"{RBAC}/rolebindings", namespace).create(
        {"metadata": {"name": "jane"}, "roleRef": role, "subjects": [subject]}
    )
    assert kube.http.get(path, headers=as_jane).json()["kind"] == "FlunderList"
    assert kube.http.post(path, headers=as_jane, json={"metadata": {"name": "x"}}).status_code == 403


def what_is_owned_goes_with_its_owner(kube: Kube, namespace: str) -> None:
    """The garbage collector looks into the other server, with the rights it has there."""
    maps, flunders = kube.at("v1/configmaps", namespace), kube.at(f"{GROUP}/{VERSION}/flunders", namespace)
    uid = maps.create({"metadata": {"name": "owner"}})["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    flunders.create({"metadata": {"name": "owned", "ownerReferences": [owner]}})
    maps.delete("owner")
    eventually(lambda: flunders.items() == [], flunders.items)


def the_registration_is_an_object_like_others(kube: Kube) -> None:
    apiservices = kube.at("apiregistration.k8s.io/v1/apiservices")
    status = apiservices.get(APISERVICE, "status")
    assert conditions(status)["Available"] == "True"
    extra = {"type": "StatusUpdated", "status": "True", "reason": "E2E", "message": "Set by a test"}
    extra["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    patched = {"status": {"conditions": [*status["status"]["conditions"], extra]}}
    assert conditions(apiservices.patch(APISERVICE, patched, subresource="status"))["StatusUpdated"] == "True"
    updated = apiservices.change(APISERVICE, lambda found: found["metadata"]["labels"].update(more="yes"))
    assert updated["metadata"]["labels"]["more"] == "yes"
    assert names(apiservices.items(labelSelector="sample=yes")) == [APISERVICE]
    apiservices.delete_all(labelSelector="sample=yes")
    apiservices.gone(APISERVICE)
    eventually(lambda: kube.raw("GET", f"/apis/{GROUP}/{VERSION}").status_code == 404)
