"""sig-api-machinery: what the server says of itself: its version, its groups, its resources."""

from __future__ import annotations

import pytest

from tests.conformance.definitions import defined
from tests.conformance.kube import Json, Kube

AGGREGATED = "application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList"


@pytest.mark.conformance("[sig-api-machinery] server version should find the server version [Conformance]")
def test_the_server_tells_its_version(kube: Kube) -> None:
    version = kube.call("GET", "/version")
    assert (version["major"], version["minor"]) == ("1", "37")
    assert version["gitVersion"].startswith("v1.37.")


@pytest.mark.conformance(
    "[sig-api-machinery] Discovery should validate PreferredVersion for each APIGroup [Conformance]"
)
def test_the_preferred_version_of_every_group_is_one_of_its_versions(kube: Kube) -> None:
    groups = kube.call("GET", "/apis")["groups"]
    assert len(groups) > 15
    for group in groups:
        found = kube.call("GET", f"/apis/{group['name']}")
        assert found["preferredVersion"] == group["preferredVersion"]
        assert found["preferredVersion"] in found["versions"] == group["versions"]


@pytest.mark.conformance(
    "[sig-api-machinery] Discovery should locate the groupVersion and a resource within each APIGroup [Conformance]"
)
def test_known_resources_are_found_in_their_groups(kube: Kube) -> None:
    known = {
        "admissionregistration.k8s.io/v1": "validatingwebhookconfigurations",
        "apiextensions.k8s.io/v1": "customresourcedefinitions",
        "apiregistration.k8s.io/v1": "apiservices",
        "apps/v1": "deployments",
        "authentication.k8s.io/v1": "tokenreviews",
        "authorization.k8s.io/v1": "selfsubjectaccessreviews",
        "autoscaling/v2": "horizontalpodautoscalers",
        "batch/v1": "jobs",
        "certificates.k8s.io/v1": "certificatesigningrequests",
        "coordination.k8s.io/v1": "leases",
        "discovery.k8s.io/v1": "endpointslices",
        "events.k8s.io/v1": "events",
        "networking.k8s.io/v1": "ingresses",
        "node.k8s.io/v1": "runtimeclasses",
        "policy/v1": "poddisruptionbudgets",
        "scheduling.k8s.io/v1": "priorityclasses",
        "storage.k8s.io/v1": "csinodes",
    }
    groups = {each["name"]: each for each in kube.call("GET", "/apis")["groups"]}
    for version, plural in known.items():
        group = version.partition("/")[0]
        assert version in [each["groupVersion"] for each in groups[group]["versions"]]
        document = kube.call("GET", f"/apis/{version}")
        assert document["groupVersion"] == version
        assert plural in [each["name"] for each in document["resources"]]


def aggregated(kube: Kube, path: str = "/apis", accept: str = AGGREGATED) -> tuple[str, Json]:
    """(content type, document)"""
    answer = kube.raw("GET", path, accept=accept)
    assert answer.status_code == 200
    return answer.headers["content-type"], answer.json()


def resources(document: Json, group: str, version: str) -> dict[str, Json]:
    for each in document["items"]:
        if each["metadata"].get("name", "") == group:
            for found in each["versions"]:
                if found["version"] == version:
                    return {resource["resource"]: resource for resource in found["resources"]}
    return {}


@pytest.mark.conformance(
    "[sig-api-machinery] AggregatedDiscovery should support aggregated discovery interface [Conformance]"
)
def test_one_document_holds_all_groups_with_their_resources(kube: Kube) -> None:
    _, document = aggregated(kube)
    pod_kinds = resources(aggregated(kube, "/api")[1], "", "v1")
    assert pod_kinds["pods"]["responseKind"] == {"group": "", "version": "v1", "kind": "Pod"}
    assert "log" in [
        each["subresource"].partition("/")[2] or each["subresource"] for each in pod_kinds["pods"]["subresources"]
    ]
    deployments = resources(document, "apps", "v1")["deployments"]
    assert (deployments["scope"], deployments["singularResource"]) == ("Namespaced", "deployment")
    assert set(deployments["verbs"]) >= {"create", "get", "list", "watch"}
    assert resources(document, "rbac.authorization.k8s.io", "v1")["clusterroles"]["scope"] == "Cluster"


@pytest.mark.conformance(
    "[sig-api-machinery] AggregatedDiscovery should support aggregated discovery interface for CRDs [Conformance]"
)
def test_a_defined_resource_is_in_the_one_document(kube: Kube) -> None:
    with defined(kube, "aggregated-a") as made:
        found = resources(aggregated(kube)[1], made.group, "v1")[made.plural]
        assert found["responseKind"] == {"group": made.group, "version": "v1", "kind": made.kind}
        assert (found["scope"], found["singularResource"]) == ("Namespaced", made.singular)


@pytest.mark.conformance(
    "[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery endpoint Accept headers"
    " [Conformance]"
)
@pytest.mark.parametrize("path", ["/api", "/apis"])
def test_the_accept_header_chooses_the_shape_of_discovery(kube: Kube, path: str) -> None:
    kind, document = aggregated(kube, path, AGGREGATED)
    assert kind == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    assert document["kind"] == "APIGroupDiscoveryList"
    assert document["apiVersion"] == "apidiscovery.k8s.io/v2"
    _, plain = aggregated(kube, path, "application/json")
    assert plain["kind"] == {"/api": "APIVersions", "/apis": "APIGroupList"}[path]
    _, preferred = aggregated(kube, path, f"{AGGREGATED},application/json")
    assert preferred["kind"] == "APIGroupDiscoveryList"


@pytest.mark.conformance(
    "[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery request for CRDs [Conformance]"
)
def test_a_defined_resource_has_all_its_facts_in_the_raw_document(kube: Kube) -> None:
    with defined(kube, "aggregated-b", subresources={"status": {}}) as made:
        found = resources(aggregated(kube)[1], made.group, "v1")[made.plural]
        assert found == {
            "resource": made.plural,
            "responseKind": {"group": made.group, "version": "v1", "kind": made.kind},
            "scope": "Namespaced",
            "singularResource": made.singular,
            "verbs": ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
            "subresources": [
                {
                    "subresource": "status",
                    "responseKind": {"group": made.group, "version": "v1", "kind": made.kind},
                    "verbs": ["get", "patch", "update"],
                }
            ],
        }
