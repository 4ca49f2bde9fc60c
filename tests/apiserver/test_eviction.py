"""Evictions under budgets: what is granted, what is refused and in which words, and that nobody gets two for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.apiserver import serving as server
from tests.apiserver.serving import DEFAULT, Api

PODS = f"{DEFAULT}/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
LABELS = {"app": "web"}
Json = dict[str, Any]


@asynccontextmanager
async def serving() -> AsyncIterator[Api]:
    async with server.serving() as api:
        await api.account()
        yield api


async def running(api: Api, name: str, *, ready: bool = True) -> None:
    await api.pod(name, "n1", labels=LABELS)
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    assert (await api.patch(f"{PODS}/{name}/status", {"status": status})).status_code == 200


async def budget(api: Api, allowed: int, name: str = "web", policy: str = "", **status: Any) -> None:
    """A budget as its controller would have counted it."""
    spec: Json = {"minAvailable": 1, "selector": {"matchLabels": LABELS}}
    spec |= {"unhealthyPodEvictionPolicy": policy} if policy else {}
    await api.make(BUDGETS, {"metadata": {"name": name}, "spec": spec})
    counted = {"observedGeneration": 1, "disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1}
    counted |= {"expectedPods": 1, **status}
    assert (await api.patch(f"{BUDGETS}/{name}/status", {"status": counted})).status_code == 200


async def evict(api: Api, name: str, **options: Any) -> httpx.Response:
    body: Json = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": name}}
    body |= {"deleteOptions": options} if options else {}
    return await api.http.post(f"{PODS}/{name}/eviction", json=body)


def cause(refused: httpx.Response) -> Json:
    found: Json = refused.json()["details"]["causes"][0]
    return found


async def test_an_evicted_pod_says_so_before_it_goes() -> None:
    async with serving() as api:
        await running(api, "p")
        assert (await evict(api, "p")).status_code == 201
        pod = (await api.get(f"{PODS}/p")).json()
        condition = next(each for each in pod["status"]["conditions"] if each["type"] == "DisruptionTarget")
        assert (condition["status"], condition["reason"]) == ("True", "EvictionByEvictionAPI")
        assert condition["message"] == "Eviction API: evicting"
        assert pod["metadata"]["deletionTimestamp"]


async def test_a_granted_eviction_is_taken_from_the_budget() -> None:
    async with serving() as api:
        await running(api, "p")
        await budget(api, 1, currentHealthy=2)
        assert (await evict(api, "p")).status_code == 201
        status = (await api.get(f"{BUDGETS}/web")).json()["status"]
        assert (status["disruptionsAllowed"], list(status["disruptedPods"])) == (0, ["p"])
        assert [(each["type"], each["status"], each["reason"]) for each in status["conditions"]] == [
            ("DisruptionAllowed", "False", "InsufficientPods")
        ]


async def test_a_budget_that_is_used_up_refuses_and_says_what_it_needs() -> None:
    async with serving() as api:
        await running(api, "p")
        await budget(api, 0)
        refused = await evict(api, "p")
        assert refused.status_code == 429
        assert refused.json()["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
        assert cause(refused) == {
            "reason": "DisruptionBudget",
            "message": "The disruption budget web needs 1 healthy pods and has 1 currently",
        }
        assert "deletionTimestamp" not in (await api.get(f"{PODS}/p")).json()["metadata"]


async def test_a_budget_that_was_not_counted_yet_asks_to_come_again() -> None:
    async with serving() as api:
        await running(api, "p")
        await budget(api, 1, observedGeneration=0)
        refused = await evict(api, "p")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        assert cause(refused)["message"] == "The disruption budget web is still being processed by the server."


async def test_a_budget_that_could_not_be_counted_says_why() -> None:
    async with serving() as api:
        await running(api, "p")
        failed = {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "no scale"}
        await budget(api, 0, conditions=[failed])
        said = cause(await evict(api, "p"))["message"]
        assert (
            said == "The disruption budget web does not allow evicting pods currently because it failed sync: no scale"
        )


async def test_of_evictions_at_the_same_moment_only_those_allowed_go_through() -> None:
    async with serving() as api:
        names = [f"p{number}" for number in range(8)]
        for name in names:
            await running(api, name)
        await budget(api, 3, currentHealthy=8, desiredHealthy=5)
        answers = await asyncio.gather(*(evict(api, name) for name in names))
        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [429] * 5
        status = (await api.get(f"{BUDGETS}/web")).json()["status"]
        assert (status["disruptionsAllowed"], len(status["disruptedPods"])) == (0, 3)


async def test_two_budgets_for_one_pod_refuse_it_altogether() -> None:
    async with serving() as api:
        await running(api, "p")
        await budget(api, 1, "one")
        await budget(api, 1, "two")
        refused = await evict(api, "p")
        assert refused.status_code == 500
        assert refused.json()["message"] == (
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )


@pytest.mark.parametrize(
    ("policy", "healthy", "code"),
    [("", 1, 201), ("", 0, 429), ("IfHealthyBudget", 0, 429), ("AlwaysAllow", 0, 201)],
)
async def test_an_unhealthy_pod_may_go_where_the_others_suffice_or_the_policy_says_so(
    policy: str, healthy: int, code: int
) -> None:
    async with serving() as api:
        await running(api, "p", ready=False)
        await budget(api, 0, policy=policy, currentHealthy=healthy)
        assert (await evict(api, "p")).status_code == code


async def test_pods_that_ended_or_did_not_begin_need_no_budget() -> None:
    async with serving() as api:
        await api.pod("pending", "n1", labels=LABELS)
        await api.pod("ended", "n1", labels=LABELS)
        await api.patch(f"{PODS}/ended/status", {"status": {"phase": "Failed"}})
        await budget(api, 0)
        assert [(await evict(api, name)).status_code for name in ("pending", "ended")] == [201, 201]


async def test_a_dry_run_spends_nothing() -> None:
    async with serving() as api:
        await running(api, "p")
        await budget(api, 1)
        assert (await evict(api, "p", dryRun=["All"])).status_code == 201
        assert (await api.get(f"{BUDGETS}/web")).json()["status"]["disruptionsAllowed"] == 1
        pod = (await api.get(f"{PODS}/p")).json()
        assert "deletionTimestamp" not in pod["metadata"]
        assert [each["type"] for each in pod["status"]["conditions"]] == ["Ready"]


async def test_a_precondition_that_does_not_hold_spends_nothing() -> None:
    async with serving() as api:
        await running(api, "p")
        await budget(api, 1)
        assert (await evict(api, "p", preconditions={"uid": "another"})).status_code == 409
        assert (await api.get(f"{BUDGETS}/web")).json()["status"]["disruptionsAllowed"] == 1
        revision = (await api.get(f"{PODS}/p")).json()["metadata"]["resourceVersion"]
        assert (await evict(api, "p", preconditions={"resourceVersion": revision})).status_code == 201


async def test_a_pod_that_is_not_the_one_that_was_meant_stays_also_where_no_budget_is() -> None:
    async with serving() as api:
        await api.pod("pending", "n1", labels=LABELS)
        refused = await evict(api, "pending", preconditions={"uid": "another"})
        assert refused.status_code == 409
        assert "precondition (another)" in refused.json()["message"]


async def test_clients_of_the_older_version_may_evict() -> None:
    async with serving() as api:
        await running(api, "p")
        body = {"kind": "Eviction", "apiVersion": "policy/v1beta1", "metadata": {"name": "p"}}
        assert (await api.http.post(f"{PODS}/p/eviction", json=body)).status_code == 201


async def test_a_policy_for_the_unhealthy_that_is_none_is_refused() -> None:
    async with serving() as api:
        spec = {"minAvailable": 1, "unhealthyPodEvictionPolicy": "Never"}
        refused = await api.http.post(BUDGETS, json={"metadata": {"name": "x"}, "spec": spec})
        assert refused.status_code == 422
        assert 'supported values: "AlwaysAllow", "IfHealthyBudget"' in refused.json()["message"]
