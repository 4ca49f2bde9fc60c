"""Namespaces whose labels ask for a Pod Security Standard."""

from __future__ import annotations

from typing import Any

import httpx

from tests.apiserver.serving import Api, serving

PREFIX = "pod-security.kubernetes.io/"
PODS = "/api/v1/namespaces/strict/pods"
Json = dict[str, Any]
PRIVILEGED = {"containers": [{"name": "main", "image": "x", "securityContext": {"privileged": True}}]}
PLAIN = {"containers": [{"name": "main", "image": "x"}]}
REFUSAL = 'privileged (container "main" must not set securityContext.privileged=true)'


async def namespace(api: Api, **labels: str) -> None:
    given = {f"{PREFIX}{key.replace('_', '-')}": value for key, value in labels.items()}
    await api.make("/api/v1/namespaces", {"metadata": {"name": "strict", "labels": given}})
    await api.make("/api/v1/namespaces/strict/serviceaccounts", {"metadata": {"name": "default"}})


def warnings(answer: httpx.Response) -> list[str]:
    return [each.removeprefix('299 - "').removesuffix('"') for each in answer.headers.get_list("warning")]


async def test_a_pod_that_violates_the_enforced_level_is_refused() -> None:
    async with serving() as api:
        await namespace(api, enforce="baseline")
        answer = await api.http.post(PODS, json={"metadata": {"name": "p"}, "spec": PRIVILEGED})
        assert answer.status_code == 403
        assert answer.json()["message"] == f'pods "p" is forbidden: violates PodSecurity "baseline:latest": {REFUSAL}'
        await api.make(PODS, {"metadata": {"name": "p"}, "spec": PLAIN})


async def test_who_warns_lets_in_and_says_why_not() -> None:
    async with serving() as api:
        await namespace(api, warn="baseline", warn_version="v1.30")
        done = await api.http.post(PODS, json={"metadata": {"name": "p"}, "spec": PRIVILEGED})
        assert done.status_code == 201
        assert [each.replace("\\", "") for each in warnings(done)] == [
            f'would violate PodSecurity "baseline:v1.30": {REFUSAL}'
        ]


async def test_workloads_are_warned_of_and_never_refused() -> None:
    async with serving() as api:
        await namespace(api, enforce="baseline")
        template = {"metadata": {"labels": {"a": "b"}}, "spec": PRIVILEGED}
        spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        path = "/apis/apps/v1/namespaces/strict/deployments"
        done = await api.http.post(path, json={"metadata": {"name": "d"}, "spec": spec})
        assert done.status_code == 201
        assert any("would violate PodSecurity" in each for each in warnings(done))
        job = {"jobTemplate": {"spec": {"template": {"spec": {**PRIVILEGED, "restartPolicy": "Never"}}}}}
        body = {"metadata": {"name": "c"}, "spec": {"schedule": "* * * * *", **job}}
        done = await api.http.post("/apis/batch/v1/namespaces/strict/cronjobs", json=body)
        assert done.status_code == 201 and any("would violate PodSecurity" in each for each in warnings(done))


async def test_pods_that_are_there_when_a_namespace_becomes_stricter_are_named_together() -> None:
    async with serving() as api:
        await namespace(api)
        for name in ("a", "b", "c"):
            await api.make(PODS, {"metadata": {"name": name}, "spec": PRIVILEGED if name < "c" else PLAIN})
        done = await api.kubectl("label", "ns", "strict", f"{PREFIX}enforce=baseline")
        assert done.err.splitlines() == [
            'Warning: existing pods in namespace "strict" violate the new PodSecurity enforce level "baseline:latest"',
            "Warning: a (and 1 other pod): privileged",
        ]


async def test_labels_that_are_no_levels_are_refused() -> None:
    async with serving() as api:
        body = {"metadata": {"name": "strict", "labels": {f"{PREFIX}enforce": "high"}}}
        answer = await api.http.post("/api/v1/namespaces", json=body)
        assert answer.status_code == 422
        assert answer.json()["message"] == (
            f'Namespace "strict" is invalid: metadata.labels[{PREFIX}enforce]: Invalid value: "high": '
            "must be one of privileged, baseline, restricted"
        )


async def test_an_ephemeral_container_is_checked_and_a_change_of_image_is_not() -> None:
    async with serving() as api:
        await namespace(api)
        await api.make(PODS, {"metadata": {"name": "p"}, "spec": PRIVILEGED})
        await api.patch("/api/v1/namespaces/strict", {"metadata": {"labels": {f"{PREFIX}enforce": "baseline"}}})
        image = {"spec": {"containers": [{"name": "main", "image": "y"}]}}
        assert (await api.patch(f"{PODS}/p", image, kind="strategic-merge-patch+json")).status_code == 200
        extra = {"spec": {"ephemeralContainers": [{"name": "e", "image": "x"}]}}
        path = f"{PODS}/p/ephemeralcontainers"
        answer = await api.patch(path, extra, kind="strategic-merge-patch+json")
        assert answer.status_code == 403 and "violates PodSecurity" in answer.text
