"""DELETE: at once, gracefully, held by finalizers, with a propagation policy, under preconditions."""

from __future__ import annotations

import pytest

from tests.apiserver.serving import DEFAULT, Api, Json, serving, take

CONFIG_MAPS = f"{DEFAULT}/configmaps"
PODS = f"{DEFAULT}/pods"


async def delete(api: Api, path: str, **options: object) -> Json:
    answer = await api.http.request("DELETE", path, json={"kind": "DeleteOptions", "apiVersion": "v1", **options})
    assert answer.status_code == 200, answer.text
    said: Json = answer.json()
    return said


async def test_a_config_map_is_gone_at_once_and_a_status_says_so() -> None:
    async with serving() as api:
        made = await api.config_map("one")
        said = await delete(api, f"{CONFIG_MAPS}/one")
        assert said["kind"] == "Status" and said["status"] == "Success"
        assert said["details"] == {"name": "one", "kind": "configmaps", "uid": made["metadata"]["uid"]}
        assert (await api.get(f"{CONFIG_MAPS}/one")).json()["message"] == 'configmaps "one" not found'


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{DEFAULT}/services", {"spec": {"ports": [{"port": 80}]}}),
        (f"{DEFAULT}/serviceaccounts", {}),
        (f"{DEFAULT}/resourcequotas", {"spec": {}}),
    ],
)
async def test_some_kinds_are_answered_with_the_object(path: str, body: Json) -> None:
    async with serving() as api:
        made = await api.make(path, {"metadata": {"name": "x"}, **body})
        said = await delete(api, f"{path}/x")
        assert said["metadata"]["uid"] == made["metadata"]["uid"]


async def test_a_pod_on_no_node_goes_at_once() -> None:
    async with serving() as api:
        await api.account()
        await api.pod("p")
        await delete(api, f"{PODS}/p")
        assert (await api.get(f"{PODS}/p")).status_code == 404


async def test_a_pod_on_a_node_is_marked_until_its_kubelet_deletes_it() -> None:
    async with serving() as api:
        await api.account()
        await api.pod("p", node="n1")
        marked = await delete(api, f"{PODS}/p")
        assert marked["metadata"]["deletionGracePeriodSeconds"] == 30 and marked["metadata"]["deletionTimestamp"]
        shorter = await delete(api, f"{PODS}/p", gracePeriodSeconds=5)
        assert shorter["metadata"]["deletionGracePeriodSeconds"] == 5
        assert shorter["metadata"]["deletionTimestamp"] < marked["metadata"]["deletionTimestamp"]
        longer = await delete(api, f"{PODS}/p", gracePeriodSeconds=60)
        assert longer["metadata"]["resourceVersion"] == shorter["metadata"]["resourceVersion"]
        await delete(api, f"{PODS}/p", gracePeriodSeconds=0)
        assert (await api.get(f"{PODS}/p")).status_code == 404


async def test_a_grace_period_may_come_in_the_query() -> None:
    async with serving() as api:
        await api.account()
        await api.pod("p", node="n1")
        answer = await api.http.delete(f"{PODS}/p", params={"gracePeriodSeconds": "7"})
        assert answer.json()["metadata"]["deletionGracePeriodSeconds"] == 7


async def test_an_object_with_finalizers_waits_for_the_last_one() -> None:
    async with serving() as api:
        await api.config_map("one", finalizers=["example.com/a", "example.com/b"])
        marked = await delete(api, f"{CONFIG_MAPS}/one")
        assert marked["metadata"]["deletionTimestamp"]
        left = await api.patch(f"{CONFIG_MAPS}/one", {"metadata": {"finalizers": ["example.com/b"]}})
        assert left.status_code == 200
        refused = await api.patch(
            f"{CONFIG_MAPS}/one", {"metadata": {"finalizers": ["example.com/b", "example.com/c"]}}
        )
        assert refused.status_code == 422 and "no new finalizers can be added" in refused.json()["message"]
        since = left.json()["metadata"]["resourceVersion"]
        async with api.watching(CONFIG_MAPS, resourceVersion=since) as events:
            await api.patch(f"{CONFIG_MAPS}/one", {"metadata": {"finalizers": None}})
            assert [e["type"] for e in await take(events, 1)] == ["DELETED"]
        assert (await api.get(f"{CONFIG_MAPS}/one")).status_code == 404


@pytest.mark.parametrize(("policy", "finalizer"), [("Orphan", "orphan"), ("Foreground", "foregroundDeletion")])
async def test_a_policy_leaves_its_finalizer_to_the_garbage_collector(policy: str, finalizer: str) -> None:
    async with serving() as api:
        await api.config_map("one")
        marked = await delete(api, f"{CONFIG_MAPS}/one", propagationPolicy=policy)
        assert marked["metadata"]["finalizers"] == [finalizer]
        await delete(api, f"{CONFIG_MAPS}/one", propagationPolicy="Background")
        assert (await api.get(f"{CONFIG_MAPS}/one")).status_code == 404


async def test_preconditions_that_do_not_hold_conflict() -> None:
    async with serving() as api:
        made = await api.config_map("one")
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "other"}}
        answer = await api.http.request("DELETE", f"{CONFIG_MAPS}/one", json=body)
        assert (
            answer.status_code == 409
            and "the UID in the precondition (other) does not match the UID in record" in answer.text
        )
        body["preconditions"] = {"resourceVersion": "1"}
        assert (await api.http.request("DELETE", f"{CONFIG_MAPS}/one", json=body)).status_code == 409
        await delete(api, f"{CONFIG_MAPS}/one", preconditions={"uid": made["metadata"]["uid"]})


async def test_a_dry_run_deletes_nothing() -> None:
    async with serving() as api:
        await api.config_map("one")
        await delete(api, f"{CONFIG_MAPS}/one", dryRun=["All"])
        assert (await api.get(f"{CONFIG_MAPS}/one")).status_code == 200


async def test_a_namespace_terminates_until_it_is_finalized() -> None:
    async with serving() as api:
        await api.make("/api/v1/namespaces", {"metadata": {"name": "n"}})
        marked = await delete(api, "/api/v1/namespaces/n")
        assert marked["status"]["phase"] == "Terminating" and marked["spec"]["finalizers"] == ["kubernetes"]
        refused = await api.http.post("/api/v1/namespaces/n/configmaps", json={"metadata": {"name": "x"}})
        assert refused.status_code == 403 and refused.json()["details"]["causes"][0]["reason"] == "NamespaceTerminating"
        marked["spec"]["finalizers"] = []
        done = await api.http.put("/api/v1/namespaces/n/finalize", json=marked)
        assert done.status_code == 200
        assert (await api.get("/api/v1/namespaces/n")).status_code == 404


async def test_an_eviction_deletes_and_a_budget_that_is_used_up_refuses() -> None:
    async with serving() as api:
        await api.account()
        pod = await api.pod("p", node="n1", labels={"a": "b"})
        await api.http.put(f"{PODS}/p/status", json={**pod, "status": {"phase": "Running"}})
        selector = {"matchLabels": {"a": "b"}}
        budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
        await api.make(budgets, {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": selector}})
        eviction = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": "p"}}
        refused = await api.http.post(f"{PODS}/p/eviction", json=eviction)
        assert refused.status_code == 429 and "disruption budget b" in refused.text
        await delete(api, f"{budgets}/b")
        assert (await api.http.post(f"{PODS}/p/eviction", json=eviction)).status_code == 201
        assert (await api.get(f"{PODS}/p")).json()["metadata"]["deletionTimestamp"]


JOB = {
    "metadata": {"name": "once"},
    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}},
}


async def test_a_job_that_is_deleted_without_a_word_keeps_its_pods_and_a_warning_says_so() -> None:
    async with serving() as api:
        jobs = "/apis/batch/v1/namespaces/default/jobs"
        await api.make(jobs, JOB)
        answer = await api.http.delete(f"{jobs}/once")
        assert answer.json()["metadata"]["finalizers"] == ["orphan"]
        assert "child pods are preserved by default when jobs are deleted" in answer.headers["warning"]
        await api.make(jobs, JOB | {"metadata": {"name": "again"}})
        answer = await api.http.delete(f"{jobs}/again", params={"propagationPolicy": "Background"})
        assert answer.json()["status"] == "Success" and "warning" not in answer.headers


async def test_the_first_versions_of_workloads_orphan_and_apps_v1_does_not() -> None:
    async with serving() as api:
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        for group, version, finalizers in (("extensions", "v1beta1", ["orphan"]), ("apps", "v1", None)):
            path = f"/apis/{group}/{version}/namespaces/default/replicasets"
            body = {
                "metadata": {"name": group},
                "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
            }
            await api.make(path, body)
            answer = (await api.http.delete(f"{path}/{group}")).json()
            assert answer["metadata"].get("finalizers") == finalizers
