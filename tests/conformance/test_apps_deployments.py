"""sig-apps: Deployments roll, recreate, roll over, scale in proportion, and forget."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Json, Kube, conditions, names
from tests.conformance.workloads import image, owned_by, ready, scaled, status_by_itself, workload


@pytest.mark.conformance("[sig-apps] Deployment Deployment should have a working scale subresource [Conformance]")
def test_a_deployment_is_scaled(kube: Kube, namespace: str) -> None:
    deployments = kube.at("apps/v1/deployments", namespace)
    deployments.create(workload("d"))
    deployments.until("d", ready(1))
    scaled(deployments, "d")


@pytest.mark.conformance("[sig-apps] Deployment should validate Deployment Status endpoints [Conformance]")
def test_the_status_of_a_deployment(kube: Kube, namespace: str) -> None:
    deployments = kube.at("apps/v1/deployments", namespace)
    deployments.create(workload("d"))
    deployments.until("d", ready(1))
    status_by_itself(deployments, "d")


@pytest.mark.conformance(
    "[sig-apps] Deployment RollingUpdateDeployment should delete old pods and create new ones [Conformance]"
)
def test_a_deployment_takes_over_and_rolls(kube: Kube, namespace: str) -> None:
    sets, deployments = kube.at("apps/v1/replicasets", namespace), kube.at("apps/v1/deployments", namespace)
    old = workload("d")
    old["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "3546343826724305832"}
    old["metadata"]["name"] = "older"
    sets.create(old)
    sets.until("older", ready(1))
    deployments.create(workload("d", image="newer"))
    deployments.until(
        "d", lambda body: ready(1, "updatedReplicas")(body) and ready(1)(body) and ready(1, "replicas")(body)
    )
    adopted = sets.until("older", owned_by("Deployment", "d"))
    assert adopted["spec"]["replicas"] == 0
    newer = next(each for each in sets.items() if each["metadata"]["name"] != "older")
    assert newer["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3546343826724305833"


@pytest.mark.conformance(
    "[sig-apps] Deployment RecreateDeployment should delete old pods and create new ones [Conformance]"
)
def test_a_deployment_that_recreates_never_runs_two_versions(kube: Kube, namespace: str) -> None:
    deployments, pods = kube.at("apps/v1/deployments", namespace), kube.at("v1/pods", namespace)
    deployments.create(workload("d", 2, strategy={"type": "Recreate"}))
    deployments.until("d", ready(2))
    with pods.watch(resourceVersion=pods.list()["metadata"]["resourceVersion"]) as watch:
        deployments.patch("d", {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "newer"}]}}}})
        left, running = 2, 0
        while running < 2:
            kind, body = watch.next()
            if kind == "DELETED":
                left -= 1
            elif image(body) == "newer":
                assert left == 0
                running += kind == "ADDED"
    deployments.until("d", lambda body: ready(2, "updatedReplicas")(body) and ready(2)(body))


@pytest.mark.conformance("[sig-apps] Deployment deployment should delete old replica sets [Conformance]")
def test_a_deployment_forgets_old_replica_sets(kube: Kube, namespace: str) -> None:
    deployments, sets = kube.at("apps/v1/deployments", namespace), kube.at("apps/v1/replicasets", namespace)
    deployments.create(workload("d", revisionHistoryLimit=0))
    deployments.until("d", ready(1))
    first = names(sets.items())
    deployments.patch("d", {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "newer"}]}}}})
    left = sets.settled(lambda items: len(items) == 1 and names(items) != first)
    assert image({"spec": left[0]["spec"]["template"]["spec"]}) == "newer"


@pytest.mark.conformance("[sig-apps] Deployment deployment should support rollover [Conformance]")
def test_a_deployment_goes_on_to_the_next_version_before_the_last_is_up(kube: Kube, namespace: str) -> None:
    deployments, sets = kube.at("apps/v1/deployments", namespace), kube.at("apps/v1/replicasets", namespace)
    deployments.create(workload("d", image="missing", minReadySeconds=0))
    sets.settled(lambda items: len(items) == 1)
    deployments.patch("d", {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "newer"}]}}}})
    done = deployments.until(
        "d", lambda body: ready(1)(body) and ready(1, "updatedReplicas")(body) and ready(1, "replicas")(body)
    )
    assert conditions(done)["Available"] == "True"
    replicas = {image({"spec": each["spec"]["template"]["spec"]}): each["spec"]["replicas"] for each in sets.items()}
    assert replicas == {"missing": 0, "newer": 1}


@pytest.mark.conformance("[sig-apps] Deployment deployment should support proportional scaling [Conformance]")
def test_a_deployment_is_scaled_in_proportion_while_it_rolls(kube: Kube, namespace: str) -> None:
    deployments, sets = kube.at("apps/v1/deployments", namespace), kube.at("apps/v1/replicasets", namespace)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    deployments.create(workload("d", 10, strategy=strategy))
    deployments.until("d", ready(10))
    deployments.patch("d", {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "missing"}]}}}})

    def sizes(items: list[Json]) -> dict[str, int]:
        return {image({"spec": each["spec"]["template"]["spec"]}): each["spec"]["replicas"] for each in items}

    sets.settled(lambda items: sizes(items) == {"runs": 8, "missing": 5})
    deployments.until("d", lambda body: body["status"].get("observedGeneration") == 2 and ready(8)(body))
    deployments.patch("d", {"spec": {"replicas": 30}})
    sets.settled(lambda items: sizes(items) == {"runs": 20, "missing": 13})


@pytest.mark.conformance("[sig-apps] Deployment should run the lifecycle of a Deployment [Conformance]")
def test_the_life_of_a_deployment(kube: Kube, namespace: str) -> None:
    deployments = kube.at("apps/v1/deployments", namespace)
    with deployments.watch(labelSelector="app=d") as watch:
        deployments.create(workload("d", 2))
        watch.until("ADDED")
        watch.until("MODIFIED", ready(2))
        changes = {"metadata": {"labels": {"own": "patched"}}, "spec": {"replicas": 1}}
        deployments.patch("d", changes, "strategic-merge")
        watch.until("MODIFIED", lambda body: body["metadata"]["labels"].get("own") == "patched" and ready(1)(body))
        assert names(deployments.everywhere().items(labelSelector="app=d,own=patched")) == ["d"]
        deployments.change("d", lambda body: body["spec"].update(replicas=2))
        watch.until("MODIFIED", ready(2))
        patch = {"metadata": {"annotations": {"by": "status"}}, "status": {"readyReplicas": 2}}
        deployments.patch("d", patch, subresource="status")
        watch.until("MODIFIED", lambda body: body["metadata"].get("annotations", {}).get("by") == "status")
        assert deployments.get("d", "status")["metadata"]["annotations"]["by"] == "status"
        deployments.delete_all(labelSelector="app=d")
        watch.until("DELETED")
