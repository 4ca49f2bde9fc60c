"""sig-api-machinery: quotas count what is there, and refuse what would be too much."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Json, Kube, names
from tests.conformance.operations import refused

HARD = {
    "pods": "5",
    "services": "10",
    "services.nodeports": "1",
    "services.loadbalancers": "1",
    "replicationcontrollers": "10",
    "resourcequotas": "1",
    "configmaps": "10",
    "secrets": "10",
    "persistentvolumeclaims": "10",
    "requests.storage": "10Gi",
    "cpu": "1",
    "memory": "500Mi",
    "ephemeral-storage": "50Gi",
    "count/replicasets.apps": "5",
    "requests.example.com/dongle": "3",
}


def quota(name: str, hard: dict[str, str], **spec: object) -> Json:
    return {"metadata": {"name": name}, "spec": {"hard": hard, **spec}}


def settle(kube: Kube, namespace: str, name: str = "quota", **used: str) -> None:
    """Waits until the quota says that so much is used (`__` stands for a slash, `_` for a dot)."""
    wanted = {key.replace("__", "/").replace("_", "."): value for key, value in used.items()}
    quotas = kube.at("v1/resourcequotas", namespace)
    quotas.until(name, lambda body: wanted.items() <= body["status"].get("used", {}).items())


def pod(name: str, cpu: str = "", memory: str = "", **more: object) -> Json:
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    container: Json = {"name": "c", "image": "runs"}
    if requests:
        container["resources"] = {"requests": {**requests, "ephemeral-storage": "1Gi"}, "limits": dict(requests)}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **more}}


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and ensure its status is promptly calculated."
    " [Conformance]"
)
def test_a_new_quota_is_calculated_at_once(kube: Kube, namespace: str) -> None:
    kube.at("v1/resourcequotas", namespace).create(quota("quota", HARD))
    settle(kube, namespace, resourcequotas="1")
    status = kube.at("v1/resourcequotas", namespace).get("quota")["status"]
    assert status["hard"] == HARD and set(status["used"]) == set(HARD)


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a configMap. [Conformance]"
)
def test_a_quota_counts_config_maps(kube: Kube, namespace: str) -> None:
    maps = kube.at("v1/configmaps", namespace)
    maps.settled(lambda items: names(items) == ["kube-root-ca.crt"])
    kube.at("v1/resourcequotas", namespace).create(quota("quota", {"configmaps": "2"}))
    settle(kube, namespace, configmaps="1")
    maps.create({"metadata": {"name": "one"}})
    settle(kube, namespace, configmaps="2")
    answer = refused(lambda: maps.create({"metadata": {"name": "two"}}))
    assert (answer.code, answer.reason) == (403, "Forbidden")
    assert answer.message == (
        'configmaps "two" is forbidden: exceeded quota: quota, requested: configmaps=1, used: configmaps=2,'
        " limited: configmaps=2"
    )
    maps.delete("one")
    settle(kube, namespace, configmaps="1")


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a secret. [Conformance]"
)
def test_a_quota_counts_secrets(kube: Kube, namespace: str) -> None:
    kube.at("v1/resourcequotas", namespace).create(quota("quota", HARD))
    settle(kube, namespace, secrets="0")
    kube.at("v1/secrets", namespace).create({"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    settle(kube, namespace, secrets="1")
    kube.at("v1/secrets", namespace).delete("s")
    settle(kube, namespace, secrets="0")


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a service. [Conformance]"
)
def test_a_quota_counts_services_and_their_ports(kube: Kube, namespace: str) -> None:
    services = kube.at("v1/services", namespace)
    kube.at("v1/resourcequotas", namespace).create(quota("quota", HARD))
    settle(kube, namespace, services="0")

    def service(name: str, kind: str) -> Json:
        return {"metadata": {"name": name}, "spec": {"type": kind, "ports": [{"port": 80}]}}

    services.create(service("plain", "ClusterIP"))
    services.create(service("port", "NodePort"))
    settle(kube, namespace, services="2", services_nodeports="1", services_loadbalancers="0")
    answer = refused(lambda: services.create(service("balancer", "LoadBalancer")))
    assert answer.code == 403 and "exceeded quota" in answer.message
    services.delete("plain")
    services.delete("port")
    settle(kube, namespace, services="0", services_nodeports="0", services_loadbalancers="0")


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a replication controller."
    " [Conformance]"
)
def test_a_quota_counts_replication_controllers(kube: Kube, namespace: str) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    body = {"metadata": {"name": "rc"}, "spec": {"replicas": 0, "selector": {"a": "b"}, "template": template}}
    kube.at("v1/resourcequotas", namespace).create(quota("quota", HARD))
    settle(kube, namespace, replicationcontrollers="0")
    kube.at("v1/replicationcontrollers", namespace).create(body)
    settle(kube, namespace, replicationcontrollers="1")
    kube.at("v1/replicationcontrollers", namespace).delete("rc")
    settle(kube, namespace, replicationcontrollers="0")


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a replica set."
    " [Conformance]"
)
def test_a_quota_counts_replica_sets(kube: Kube, namespace: str) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    kube.at("v1/resourcequotas", namespace).create(quota("quota", HARD))
    settle(kube, namespace, count__replicasets_apps="0")
    kube.at("apps/v1/replicasets", namespace).create({"metadata": {"name": "rs"}, "spec": spec})
    settle(kube, namespace, count__replicasets_apps="1")
    kube.at("apps/v1/replicasets", namespace).delete("rs")
    settle(kube, namespace, count__replicasets_apps="0")


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a pod. [Conformance]"
)
def test_a_quota_holds_pods_and_what_they_ask_for(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    kube.at("v1/resourcequotas", namespace).create(quota("quota", HARD))
    settle(kube, namespace, pods="0")

    def dongles(name: str, cpu: str, memory: str, count: str) -> Json:
        body = pod(name, cpu, memory)
        resources = body["spec"]["containers"][0]["resources"]
        resources["requests"]["example.com/dongle"] = resources["limits"]["example.com/dongle"] = count
        return body

    pods.create(dongles("fits", "500m", "252Mi", "2"))
    settle(kube, namespace, pods="1", cpu="500m", memory="252Mi", requests_example_com__dongle="2")
    assert refused(lambda: pods.create(dongles("too-much", "600m", "100Mi", "1"))).code == 403
    assert refused(lambda: pods.create(dongles("too-many-dongles", "500m", "100Mi", "2"))).code == 403
    answer = refused(lambda: pods.create(pod("says-nothing")))
    assert answer.code == 403 and "must specify cpu for: c; memory for: c" in answer.message
    grown = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "900m"}}}]}}
    refused(lambda: pods.patch("fits", grown, "strategic-merge"))
    settle(kube, namespace, pods="1", cpu="500m", memory="252Mi", requests_example_com__dongle="2")
    pods.delete("fits", gracePeriodSeconds=0)
    settle(kube, namespace, pods="0", cpu="0", memory="0", requests_example_com__dongle="0")


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should verify ResourceQuota with terminating scopes. [Conformance]"
)
def test_quotas_of_pods_that_end_and_of_those_that_do_not(kube: Kube, namespace: str) -> None:
    quotas, pods = kube.at("v1/resourcequotas", namespace), kube.at("v1/pods", namespace)
    quotas.create(quota("ends", {"pods": "1"}, scopes=["Terminating"]))
    quotas.create(quota("stays", {"pods": "1"}, scopes=["NotTerminating"]))
    settle(kube, namespace, "ends", pods="0")
    settle(kube, namespace, "stays", pods="0")
    pods.create(pod("long", "100m", "10Mi"))
    settle(kube, namespace, "stays", pods="1")
    settle(kube, namespace, "ends", pods="0")
    pods.delete("long", gracePeriodSeconds=0)
    settle(kube, namespace, "stays", pods="0")
    pods.create(pod("short", "100m", "10Mi", activeDeadlineSeconds=3600))
    settle(kube, namespace, "ends", pods="1")
    settle(kube, namespace, "stays", pods="0")
    pods.delete("short", gracePeriodSeconds=0)
    settle(kube, namespace, "ends", pods="0")


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should verify ResourceQuota with best effort scope. [Conformance]"
)
def test_quotas_of_pods_that_ask_for_nothing_and_of_those_that_do(kube: Kube, namespace: str) -> None:
    quotas, pods = kube.at("v1/resourcequotas", namespace), kube.at("v1/pods", namespace)
    quotas.create(quota("nothing", {"pods": "1"}, scopes=["BestEffort"]))
    quotas.create(quota("something", {"pods": "1"}, scopes=["NotBestEffort"]))
    settle(kube, namespace, "nothing", pods="0")
    settle(kube, namespace, "something", pods="0")
    pods.create(pod("free"))
    settle(kube, namespace, "nothing", pods="1")
    settle(kube, namespace, "something", pods="0")
    pods.delete("free", gracePeriodSeconds=0)
    settle(kube, namespace, "nothing", pods="0")
    pods.create(pod("burstable", "100m", "10Mi"))
    settle(kube, namespace, "something", pods="1")
    settle(kube, namespace, "nothing", pods="0")
    pods.delete("burstable", gracePeriodSeconds=0)
    settle(kube, namespace, "something", pods="0")


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should be able to update and delete ResourceQuota. [Conformance]"
)
def test_a_quota_is_updated_and_deleted(kube: Kube, namespace: str) -> None:
    quotas = kube.at("v1/resourcequotas", namespace)
    quotas.create(quota("quota", {"cpu": "1", "memory": "500Mi"}))
    assert quotas.get("quota")["spec"]["hard"] == {"cpu": "1", "memory": "500Mi"}
    quotas.change("quota", lambda body: body["spec"].update(hard={"cpu": "2", "memory": "1Gi"}))
    assert quotas.get("quota")["spec"]["hard"] == {"cpu": "2", "memory": "1Gi"}
    quotas.delete("quota")
    assert refused(lambda: quotas.get("quota")).code == 404


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should manage the lifecycle of a ResourceQuota [Conformance]"
)
def test_the_life_of_a_quota(kube: Kube, namespace: str) -> None:
    quotas = kube.at("v1/resourcequotas", namespace)
    quotas.create({**quota("quota", {"cpu": "1"}), "metadata": {"name": "quota", "labels": {"of": namespace}}})
    assert names(quotas.everywhere().items(labelSelector=f"of={namespace}")) == ["quota"]
    patched = quotas.patch(
        "quota", {"metadata": {"labels": {"quota": "patched"}}, "spec": {"hard": {"memory": "750Mi"}}}
    )
    assert patched["spec"]["hard"] == {"cpu": "1", "memory": "750Mi"}
    quotas.delete_all(labelSelector="quota=patched")
    assert quotas.items() == []


@pytest.mark.conformance(
    "[sig-api-machinery] ResourceQuota should apply changes to a resourcequota status [Conformance]"
)
def test_the_status_of_a_quota_is_written_by_itself_and_put_right(kube: Kube, namespace: str) -> None:
    quotas = kube.at("v1/resourcequotas", namespace)
    with quotas.watch() as watch:
        quotas.create(quota("quota", {"cpu": "500m", "memory": "500Mi"}))
        watch.until("MODIFIED", lambda body: body["status"].get("used"))
        quotas.change("quota", lambda body: body["status"].update(hard={"cpu": "2500m", "memory": "1Gi"}), "status")
        watch.until("MODIFIED", lambda body: body["status"]["hard"]["cpu"] == "2500m")
        watch.until("MODIFIED", lambda body: body["status"]["hard"]["cpu"] == "500m")
        quotas.patch("quota", {"status": {"hard": {"cpu": "3"}}}, subresource="status")
        watch.until("MODIFIED", lambda body: body["status"]["hard"]["cpu"] == "3")
        settled = watch.until("MODIFIED", lambda body: body["status"]["hard"]["cpu"] == "500m")
    assert settled["spec"]["hard"] == {"cpu": "500m", "memory": "500Mi"}
