"""sig-apps: Jobs end as they should: all done, given up, ended by policy; their Pods are adopted and released."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.kube import Json, Kube, Resource, conditions, names
from tests.conformance.operations import walk
from tests.conformance.workloads import TRIED, owned_by, unowned


def job(name: str, image: str = "succeeds", restart: str = "Never", **spec: Any) -> Json:
    pod = {"containers": [{"name": "c", "image": image}], "restartPolicy": restart, "terminationGracePeriodSeconds": 0}
    template = {"metadata": {"labels": {"work": name}}, "spec": pod}
    return {"metadata": {"name": name, "labels": {"work": name}}, "spec": {**spec, "template": template}}


def jobs_in(kube: Kube, namespace: str) -> Resource:
    return kube.at("batch/v1/jobs", namespace)


def complete(body: Json) -> bool:
    return conditions(body).get("Complete") == "True"


def failed(body: Json) -> bool:
    return conditions(body).get("Failed") == "True"


def reason(body: Json, kind: str) -> str:
    found: str = next(each["reason"] for each in body["status"]["conditions"] if each["type"] == kind)
    return found


@pytest.mark.conformance("[sig-apps] Job should delete a job [Conformance]")
def test_a_job_takes_its_pods_along(kube: Kube, namespace: str) -> None:
    jobs, pods = jobs_in(kube, namespace), kube.at("v1/pods", namespace)
    jobs.create(job("j", "runs", parallelism=2, completions=4))
    jobs.until("j", lambda body: body["status"].get("active") == 2)
    jobs.delete("j", propagationPolicy="Background")
    jobs.gone("j")
    pods.settled(lambda items: not items)


@pytest.mark.conformance("[sig-apps] Job should adopt matching orphans and release non-matching pods [Conformance]")
def test_a_job_adopts_and_releases(kube: Kube, namespace: str) -> None:
    jobs, pods = jobs_in(kube, namespace), kube.at("v1/pods", namespace)
    jobs.create(job("j", "runs", parallelism=2, completions=4))
    pod = pods.settled(lambda items: len(items) == 2)[0]["metadata"]["name"]
    pods.patch(pod, {"metadata": {"ownerReferences": None}})
    pods.until(pod, owned_by("Job", "j"))
    labels = pods.get(pod)["metadata"]["labels"]
    pods.patch(pod, {"metadata": {"labels": dict.fromkeys(labels)}})
    pods.until(pod, unowned)


@pytest.mark.conformance(
    "[sig-apps] Job should run a job to completion when tasks sometimes fail and are locally restarted [Conformance]"
)
def test_a_container_that_fails_is_restarted_where_it_is(kube: Kube, namespace: str) -> None:
    jobs, pods = jobs_in(kube, namespace), kube.at("v1/pods", namespace)
    jobs.create(job("j", "fails-once", "OnFailure", parallelism=2, completions=2))
    done = jobs.until("j", complete)
    assert done["status"]["succeeded"] == 2 and not done["status"].get("failed")
    assert [each["status"]["containerStatuses"][0]["restartCount"] for each in pods.items()] == [1, 1]


@pytest.mark.conformance(
    "[sig-apps] Job should create pods for an Indexed job with completion indexes and specified hostname [Conformance]"
)
def test_the_pods_of_an_indexed_job_know_their_number(kube: Kube, namespace: str) -> None:
    jobs, pods = jobs_in(kube, namespace), kube.at("v1/pods", namespace)
    jobs.create(job("j", parallelism=2, completions=4, completionMode="Indexed"))
    done = jobs.until("j", complete)
    assert done["status"]["completedIndexes"] == "0-3"
    key = "batch.kubernetes.io/job-completion-index"
    found = {each["metadata"]["annotations"][key]: each["spec"]["hostname"] for each in pods.items()}
    assert found == {str(number): f"j-{number}" for number in range(4)}


@pytest.mark.conformance("[sig-apps] Job should manage the lifecycle of a job [Conformance]")
def test_the_life_of_a_job(kube: Kube, namespace: str) -> None:
    jobs = jobs_in(kube, namespace)
    with jobs.watch(labelSelector="work=j") as watch:
        jobs.create(job("j", "succeeds", suspend=True, completions=1))
        watch.until("ADDED")
        patched = jobs.patch(
            "j", {"metadata": {"labels": {"own": "patched"}}, "spec": {"suspend": True}}, "strategic-merge"
        )
        assert patched["metadata"]["labels"]["own"] == "patched"
        watch.until("MODIFIED", lambda body: conditions(body).get("Suspended") == "True")
        jobs.change("j", lambda body: body["spec"].update(suspend=False))
        watch.until("MODIFIED", complete)
        assert names(jobs.everywhere().items(labelSelector="own=patched,work=j")) == ["j"]
        jobs.delete_all(labelSelector="work=j", propagationPolicy="Background")
        watch.until("DELETED")


@pytest.mark.conformance("[sig-apps] Job should apply changes to a job status [Conformance]")
def test_the_status_of_a_job_is_written_by_itself(kube: Kube, namespace: str) -> None:
    jobs = jobs_in(kube, namespace)
    jobs.create(job("j", "runs", parallelism=2, completions=4))
    jobs.until("j", lambda body: body["status"].get("active") == 2)
    start = jobs.get("j", "status")["status"]["startTime"]
    patched = jobs.patch("j", {"metadata": {"annotations": {"by": "status"}}}, subresource="status")
    assert (patched["metadata"]["annotations"]["by"], patched["status"]["startTime"]) == ("status", start)

    def add(body: Json) -> None:
        body["status"].setdefault("conditions", []).append({**TRIED, "lastProbeTime": TRIED["lastTransitionTime"]})

    assert "StatusUpdate" in conditions(jobs.change("j", add, "status"))


@pytest.mark.conformance(
    "[sig-apps] Job should execute all indexes despite some failing when using backoffLimitPerIndex [Conformance]"
)
def test_indexes_fail_one_by_one(kube: Kube, namespace: str) -> None:
    jobs = jobs_in(kube, namespace)
    jobs.create(job("j", "fails", parallelism=2, completions=4, completionMode="Indexed", backoffLimitPerIndex=0))
    done = jobs.until("j", failed)
    assert done["status"]["failedIndexes"] == "0-3" and done["status"]["failed"] == 4
    assert reason(done, "Failed") == "FailedIndexes"


@pytest.mark.conformance(
    "[sig-apps] Job should terminate job execution when the number of failed indexes exceeds maxFailedIndexes"
    " [Conformance]"
)
def test_too_many_failed_indexes_end_the_job(kube: Kube, namespace: str) -> None:
    jobs = jobs_in(kube, namespace)
    limits = {"backoffLimitPerIndex": 0, "maxFailedIndexes": 0}
    jobs.create(job("j", "fails", parallelism=1, completions=8, completionMode="Indexed", **limits))
    done = jobs.until("j", failed)
    assert reason(done, "Failed") == "MaxFailedIndexesExceeded"
    assert done["status"]["failedIndexes"] == "0"


def on_code(action: str, code: int, **more: Any) -> Json:
    return {"rules": [{"action": action, "onExitCodes": {"operator": "In", "values": [code]}}], **more}


@pytest.mark.conformance(
    "[sig-apps] Job should mark indexes as failed when the FailIndex action is matched in podFailurePolicy"
    " [Conformance]"
)
def test_an_exit_code_fails_its_index_for_good(kube: Kube, namespace: str) -> None:
    jobs = jobs_in(kube, namespace)
    limits = {"backoffLimitPerIndex": 5, "podFailurePolicy": on_code("FailIndex", 42)}
    jobs.create(job("j", "fails-42", parallelism=2, completions=2, completionMode="Indexed", **limits))
    done = jobs.until("j", failed)
    assert (done["status"]["failedIndexes"], done["status"]["failed"]) == ("0,1", 2)


@pytest.mark.conformance(
    "[sig-apps] Job should allow to use the pod failure policy on exit code to fail the job early [Conformance]"
)
def test_an_exit_code_fails_the_job_early(kube: Kube, namespace: str) -> None:
    jobs = jobs_in(kube, namespace)
    jobs.create(job("j", "fails-42", parallelism=1, completions=4, podFailurePolicy=on_code("FailJob", 42)))
    done = jobs.until("j", failed)
    assert reason(done, "Failed") == "PodFailurePolicy" and done["status"]["failed"] == 1


@pytest.mark.conformance(
    "[sig-apps] Job should allow to use a pod failure policy to ignore failure matching on DisruptionTarget condition"
    " [Conformance]"
)
def test_a_disrupted_pod_does_not_count_as_failed(kube: Kube, namespace: str) -> None:
    jobs, pods = jobs_in(kube, namespace), kube.at("v1/pods", namespace)
    ignored = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}
    jobs.create(job("j", "runs", parallelism=1, completions=1, backoffLimit=0, podFailurePolicy=ignored))
    first = pods.settled(lambda items: [each["status"]["phase"] for each in items] == ["Running"])[0]["metadata"][
        "name"
    ]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": first}}
    kube.call("POST", f"{pods.path}/{first}/eviction", eviction)
    pods.settled(lambda items: items and first not in names(items) and items[0]["status"]["phase"] == "Running")
    assert not jobs.get("j")["status"].get("failed") and "Failed" not in conditions(jobs.get("j"))


def success(**rule: Any) -> Json:
    return {"rules": [rule]}


@pytest.mark.conformance("[sig-apps] Job with successPolicy should succeeded when all indexes succeeded [Conformance]")
def test_a_job_with_a_success_policy_succeeds_as_any_other(kube: Kube, namespace: str) -> None:
    jobs = jobs_in(kube, namespace)
    policy = success(succeededCount=2, succeededIndexes="0-1")
    jobs.create(job("j", parallelism=2, completions=2, completionMode="Indexed", successPolicy=policy))
    done = jobs.until("j", complete)
    assert conditions(done)["SuccessCriteriaMet"] == "True" and done["status"]["completedIndexes"] == "0,1"


@pytest.mark.conformance(
    "[sig-apps] Job with successPolicy succeededIndexes rule should succeeded even when some indexes remain pending"
    " [Conformance]"
)
def test_some_indexes_are_enough(kube: Kube, namespace: str) -> None:
    enough(kube, namespace, success(succeededIndexes="0"))


@pytest.mark.conformance(
    "[sig-apps] Job with successPolicy succeededCount rule should succeeded even when some indexes remain pending"
    " [Conformance]"
)
def test_some_number_is_enough(kube: Kube, namespace: str) -> None:
    enough(kube, namespace, success(succeededCount=1))


def enough(kube: Kube, namespace: str, policy: Json) -> None:
    """Index 0 succeeds, the others would run for ever; all end."""
    jobs, pods = jobs_in(kube, namespace), kube.at("v1/pods", namespace)
    body = job("j", "runs", parallelism=3, completions=3, completionMode="Indexed", successPolicy=policy)
    body["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "SUCCEEDS_AT", "value": "0"}]
    jobs.create(body)
    done = jobs.until("j", complete)
    assert conditions(done)["SuccessCriteriaMet"] == "True"
    assert (done["status"]["succeeded"], done["status"]["completedIndexes"]) == (1, "0")
    assert done["status"].get("active", 0) == 0
    assert [each["status"]["phase"] for each in pods.items()] == ["Succeeded"]


@pytest.mark.conformance("[sig-apps] CronJob should support CronJob API operations [Conformance]")
def test_cron_jobs_have_every_verb(kube: Kube, namespace: str) -> None:
    def cron_job(name: str) -> Json:
        template = {"spec": job(name)["spec"]}
        spec = {"schedule": "30 3 29 2 *", "jobTemplate": template, "concurrencyPolicy": "Replace"}
        return {"metadata": {"name": name}, "spec": spec}

    def ran(body: Json) -> None:
        body["status"]["lastScheduleTime"] = "2026-01-01T00:00:00Z"

    walk(kube, kube.at("batch/v1/cronjobs", namespace), cron_job, ran)
