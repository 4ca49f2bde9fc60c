"""sig-apps: disruption budgets count healthy Pods and hold up evictions."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Json, Kube, Resource, conditions
from tests.conformance.operations import refused
from tests.conformance.workloads import pod


def budget(name: str, **spec: object) -> Json:
    return {
        "metadata": {"name": name, "labels": {"own": "yes"}},
        "spec": {"selector": {"matchLabels": {"app": "guarded"}}, **spec},
    }


@pytest.mark.conformance("[sig-apps] DisruptionController should create a PodDisruptionBudget [Conformance]")
def test_a_disruption_budget_is_created_updated_and_patched(kube: Kube, namespace: str) -> None:
    budgets = kube.at("policy/v1/poddisruptionbudgets", namespace)
    assert budgets.create(budget("b", minAvailable="1%"))["spec"]["minAvailable"] == "1%"
    budgets.until("b", lambda body: body["status"].get("observedGeneration", 0) > 0)
    changed = budgets.change("b", lambda body: body["spec"].update(minAvailable="2%"))
    assert changed["spec"]["minAvailable"] == "2%"
    patched = budgets.patch("b", [{"op": "replace", "path": "/spec/minAvailable", "value": "3%"}], "json")
    assert patched["spec"]["minAvailable"] == "3%"
    budgets.delete("b")
    budgets.gone("b")


@pytest.mark.conformance(
    "[sig-apps] DisruptionController Listing PodDisruptionBudgets for all namespaces should list and delete a"
    " collection of PodDisruptionBudgets [Conformance]"
)
def test_disruption_budgets_are_deleted_as_a_collection(kube: Kube, namespace: str) -> None:
    budgets = kube.at("policy/v1/poddisruptionbudgets", namespace)
    for name in ("one", "two", "three"):
        budgets.create(budget(name, minAvailable=1))
    found = budgets.everywhere().items(labelSelector="own=yes")
    assert [each["metadata"]["name"] for each in found if each["metadata"]["namespace"] == namespace] == [
        "one",
        "three",
        "two",
    ]
    budgets.delete_all(labelSelector="own=yes")
    budgets.settled(lambda items: not items)


def guarded(kube: Kube, namespace: str, count: int) -> Resource:
    pods = kube.at("v1/pods", namespace)
    for number in range(count):
        pods.create(pod(f"p{number}", "guarded"))
    pods.settled(lambda items: all(conditions(each).get("Ready") == "True" for each in items))
    return pods


@pytest.mark.conformance(
    "[sig-apps] DisruptionController should observe PodDisruptionBudget status updated [Conformance]"
)
def test_the_status_of_a_disruption_budget_follows_the_pods(kube: Kube, namespace: str) -> None:
    budgets = kube.at("policy/v1/poddisruptionbudgets", namespace)
    budgets.create(budget("b", minAvailable=1))
    guarded(kube, namespace, 2)
    status = budgets.until("b", lambda body: body["status"]["currentHealthy"] == 2)["status"]
    assert (status["disruptionsAllowed"], status["desiredHealthy"], status["expectedPods"]) == (1, 1, 2)


@pytest.mark.conformance("[sig-apps] DisruptionController should update/patch PodDisruptionBudget status [Conformance]")
def test_the_status_of_a_disruption_budget_is_written_by_itself(kube: Kube, namespace: str) -> None:
    budgets = kube.at("policy/v1/poddisruptionbudgets", namespace)
    guarded(kube, namespace, 1)
    budgets.create(budget("b", minAvailable=1))
    budgets.until("b", lambda body: body["status"]["currentHealthy"] == 1)
    disrupted = {"p0": "2026-11-23T00:00:00Z"}
    updated = budgets.change("b", lambda body: body["status"].update(disruptedPods=disrupted), "status")
    assert updated["status"]["disruptedPods"] == disrupted
    patched = budgets.patch("b", {"status": {"disruptedPods": None}}, subresource="status")
    assert not patched["status"].get("disruptedPods")


@pytest.mark.conformance(
    "[sig-apps] DisruptionController should block an eviction until the PDB is updated to allow it [Conformance]"
)
def test_an_eviction_waits_for_the_budget(kube: Kube, namespace: str) -> None:
    budgets = kube.at("policy/v1/poddisruptionbudgets", namespace)
    budgets.create(budget("b", minAvailable=2))
    pods = guarded(kube, namespace, 2)
    budgets.until("b", lambda body: body["status"]["currentHealthy"] == 2)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p0", "namespace": namespace}}
    answer = refused(lambda: kube.call("POST", f"{pods.path}/p0/eviction", eviction))
    assert answer.code == 429 and "Cannot evict pod as it would violate the pod's disruption budget" in answer.message
    assert answer.status["details"]["causes"][0]["reason"] == "DisruptionBudget"
    budgets.patch("b", {"spec": {"minAvailable": 1}})
    budgets.until("b", lambda body: body["status"]["disruptionsAllowed"] == 1)
    kube.call("POST", f"{pods.path}/p0/eviction", eviction)
    pods.gone("p0")
