"""Discovery, OpenAPI, version, health and metrics: what clients ask before they do anything."""

from __future__ import annotations

import pytest

from tests.apiserver.serving import serving

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


async def test_aggregated_discovery_lists_groups_with_their_resources_and_has_an_etag() -> None:
    async with serving() as api:
        answer = await api.get("/apis", AGGREGATED)
        assert answer.headers["content-type"] == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        groups = {item["metadata"]["name"]: item for item in answer.json()["items"]}
        versions = [version["version"] for version in groups["apps"]["versions"]]
        assert versions == ["v1", "v1beta2", "v1beta1"]
        sets = next(r for r in groups["apps"]["versions"][0]["resources"] if r["resource"] == "replicasets")
        assert (sets["singularResource"], sets["shortNames"], sets["scope"]) == ("replicaset", ["rs"], "Namespaced")
        assert {sub["subresource"] for sub in sets["subresources"]} == {"scale", "status"}
        headers = {"accept": AGGREGATED, "if-none-match": answer.headers["etag"]}
        assert (await api.http.get("/apis", headers=headers)).status_code == 304


async def test_removed_versions_have_neither_categories_nor_short_names() -> None:
    async with serving() as api:
        resources = (await api.get("/apis/apps/v1beta2")).json()["resources"]
        assert resources and not any("categories" in each or "shortNames" in each for each in resources)


async def test_the_current_profile_serves_exactly_what_upstream_serves() -> None:
    async with serving(profile="current") as api:
        assert (await api.get("/apis/apps/v1beta2")).status_code == 404


async def test_plain_discovery_is_there_for_older_clients() -> None:
    async with serving() as api:
        assert (await api.get("/api")).json()["versions"] == ["v1"]
        core = {each["name"]: each for each in (await api.get("/api/v1")).json()["resources"]}
        assert core["pods"]["singularName"] == "pod" and "pods/log" in core
        groups = [group["name"] for group in (await api.get("/apis")).json()["groups"]]
        assert groups[:3] == ["apiregistration.k8s.io", "apps", "events.k8s.io"]
        assert (await api.get("/apis/apps")).json()["preferredVersion"]["version"] == "v1"


async def test_the_hash_url_of_an_openapi_document_may_be_kept_for_ever() -> None:
    async with serving() as api:
        paths = (await api.get("/openapi/v3")).json()["paths"]
        url = paths["apis/apps/v1"]["serverRelativeURL"]
        answer = await api.http.get(url)
        assert answer.headers["cache-control"] == "public, immutable" and answer.headers["expires"]
        patch = answer.json()["paths"]["/apis/apps/v1/namespaces/{namespace}/replicasets/{name}"]["patch"]
        assert patch["x-kubernetes-group-version-kind"]["kind"] == "ReplicaSet"
        assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"] if "name" in parameter}
        unchanged = await api.http.get(url, headers={"if-none-match": answer.headers["etag"]})
        assert unchanged.status_code == 304


async def test_an_outdated_hash_leads_to_the_present_one() -> None:
    async with serving() as api:
        answer = await api.http.get("/openapi/v3/api/v1", params={"hash": "OLD"})
        assert answer.status_code == 301 and "hash=" in answer.headers["location"]


async def test_openapi_v2_is_json_or_gnostic_protobuf() -> None:
    async with serving() as api:
        swagger = (await api.get("/openapi/v2")).json()
        assert swagger["swagger"] == "2.0" and "io.k8s.api.core.v1.Pod" in swagger["definitions"]
        gnostic = await api.get("/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
        assert gnostic.content.startswith(b"\n\x032.0")


@pytest.mark.parametrize("endpoint", ["livez", "readyz", "healthz"])
async def test_health_is_ok_and_verbose_on_request(endpoint: str) -> None:
    async with serving() as api:
        assert (await api.get(f"/{endpoint}")).text == "ok"
        verbose = (await api.http.get(f"/{endpoint}?verbose")).text
        assert "[+]ping ok\n" in verbose and verbose.endswith(f"{endpoint} check passed\n")


async def test_the_version_is_that_of_the_api() -> None:
    async with serving() as api:
        version = (await api.get("/version")).json()
        assert (version["major"], version["minor"], version["gitVersion"]) == ("1", "37", "v1.37.1")


async def test_metrics_count_requests() -> None:
    async with serving() as api:
        await api.get("/api/v1/namespaces/default/pods")
        text = (await api.get("/metrics")).text
        assert 'apiserver_request_total{verb="list",resource="pods",code="200"} 1' in text
        assert 'podling_loop_lag_seconds_bucket{le="+Inf"}' in text


@pytest.mark.parametrize("path", ["/nowhere", "/api/v2", "/apis/nope/v1/things", "/api/v1/unicorns", "/apis/apps/v9"])
async def test_unknown_paths_are_not_found_in_upstreams_words(path: str) -> None:
    async with serving() as api:
        answer = await api.get(path)
        assert answer.status_code == 404
        assert answer.json()["message"] == "the server could not find the requested resource"


async def test_a_method_that_a_resource_does_not_have_is_not_allowed() -> None:
    async with serving() as api:
        answer = await api.http.put("/api/v1/namespaces/default/pods", json={})
        assert answer.status_code == 405
        assert answer.json()["message"] == "the server does not allow this method on the requested resource"
