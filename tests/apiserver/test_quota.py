"""LimitRanges fill in and bound; quotas are never exceeded, however many ask at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from podling.env import SystemEnv
from tests.apiserver.serving import DEFAULT, Api, serving

PODS, QUOTAS, RANGES = f"{DEFAULT}/pods", f"{DEFAULT}/resourcequotas", f"{DEFAULT}/limitranges"
Json = dict[str, Any]


def pod(name: str, requests: Json | None = None, limits: Json | None = None, **spec: Any) -> Json:
    resources = {"requests": requests or {}, "limits": limits or {}}
    container = {"name": "main", "image": "x", "resources": resources}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}


async def quota(api: Api, name: str = "q", scopes: Any = None, **hard: str) -> None:
    given = {key.replace("__", "/").replace("_", "."): value for key, value in hard.items()}
    spec: Json = {"hard": given} | (scopes or {})
    await api.make(QUOTAS, {"metadata": {"name": name}, "spec": spec})


async def refused(api: Api, path: str, body: Json) -> str:
    answer = await api.http.post(path, json=body)
    assert answer.status_code == 403, answer.text
    return str(answer.json()["message"])


async def test_a_quota_of_objects_refuses_one_too_many_in_upstreams_words() -> None:
    async with serving() as api:
        await quota(api, configmaps="1")
        await api.config_map("a")
        assert await refused(api, f"{DEFAULT}/configmaps", {"metadata": {"name": "b"}}) == (
            'configmaps "b" is forbidden: exceeded quota: q, requested: configmaps=1, '
            "used: configmaps=1, limited: configmaps=1"
        )


async def test_any_resource_can_be_counted() -> None:
    async with serving() as api:
        await quota(api, count__jobs_batch="0")
        path = "/apis/batch/v1/namespaces/default/jobs"
        template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}
        body = {"metadata": {"name": "j"}, "spec": {"template": template}}
        message = await refused(api, path, body)
        assert message.startswith('jobs.batch "j" is forbidden: exceeded quota: q, requested: count/jobs.batch=1')


async def test_what_was_there_before_the_quota_counts_too() -> None:
    async with serving() as api:
        for name in "abc":
            await api.config_map(name)
        await quota(api, configmaps="3")
        assert "used: configmaps=3" in await refused(api, f"{DEFAULT}/configmaps", {"metadata": {"name": "d"}})
        await api.http.delete(f"{DEFAULT}/configmaps/a")
        await api.config_map("d")


async def test_of_many_creates_at_once_exactly_as_many_pass_as_the_quota_allows() -> None:
    async with serving() as api:
        await quota(api, configmaps="5")
        bodies = [{"metadata": {"name": f"c{number}"}} for number in range(20)]
        answers = await asyncio.gather(*(api.http.post(f"{DEFAULT}/configmaps", json=body) for body in bodies))
        assert sorted(answer.status_code for answer in answers) == [201] * 5 + [403] * 15


async def test_a_create_that_fails_gives_its_place_back() -> None:
    async with serving() as api:
        await quota(api, configmaps="2")
        await api.config_map("a")
        for _ in range(5):
            answer = await api.http.post(f"{DEFAULT}/configmaps", json={"metadata": {"name": "a"}})
            assert answer.status_code == 409
            bad = await api.http.post(f"{DEFAULT}/configmaps", json={"metadata": {"name": "A!"}})
            assert bad.status_code == 422
        await api.config_map("b")


async def test_a_dry_run_is_refused_alike_and_takes_nothing() -> None:
    async with serving() as api:
        await quota(api, configmaps="1")
        for _ in range(3):
            await api.make(f"{DEFAULT}/configmaps", {"metadata": {"name": "a"}}, dryRun="All")
        await api.config_map("a")
        answer = await api.http.post(
            f"{DEFAULT}/configmaps", json={"metadata": {"name": "b"}}, params={"dryRun": "All"}
        )
        assert answer.status_code == 403


async def test_compute_resources_add_up_and_must_be_said() -> None:
    async with serving() as api:
        await api.account()
        await quota(api, requests_cpu="1", limits_memory="1Gi", pods="10")
        assert await refused(api, PODS, pod("p", {"cpu": "1"})) == (
            'pods "p" is forbidden: failed quota: q: must specify limits.memory for: main'
        )
        await api.make(PODS, pod("p", {"cpu": "600m"}, {"memory": "512Mi"}))
        assert await refused(api, PODS, pod("o", {"cpu": "500m"}, {"memory": "600Mi"})) == (
            'pods "o" is forbidden: exceeded quota: q, requested: limits.memory=600Mi,requests.cpu=500m, '
            "used: limits.memory=512Mi,requests.cpu=600m, limited: limits.memory=1Gi,requests.cpu=1"
        )


async def test_a_pod_that_has_ended_holds_nothing_but_its_place_in_the_store() -> None:
    async with serving() as api:
        await api.account()
        await quota(api, pods="1", count__pods="2")
        await api.make(PODS, pod("a"))
        assert "exceeded quota" in await refused(api, PODS, pod("b"))
        await api.patch(f"{PODS}/a/status", {"status": {"phase": "Succeeded"}})
        await api.make(PODS, pod("b"))
        assert "count/pods=2" in await refused(api, PODS, pod("c"))


@pytest.mark.parametrize(
    ("scopes", "counted", "free"),
    [
        ({"scopes": ["BestEffort"]}, {}, {"requests": {"cpu": "1"}}),
        ({"scopes": ["NotBestEffort"]}, {"requests": {"cpu": "1"}}, {}),
        ({"scopes": ["Terminating"]}, {"activeDeadlineSeconds": 5}, {}),
        ({"scopes": ["NotTerminating"]}, {}, {"activeDeadlineSeconds": 5}),
    ],
)
async def test_a_scope_says_which_pods_count(scopes: Json, counted: Json, free: Json) -> None:
    async with serving() as api:
        await api.account()
        await quota(api, scopes=scopes, pods="0")
        assert "exceeded quota" in await refused(api, PODS, pod("p", **counted))
        await api.make(PODS, pod("p", **free))


async def test_a_scope_selector_counts_pods_of_a_priority() -> None:
    async with serving() as api:
        await api.account()
        await api.make("/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": "high"}, "value": 10})
        demand = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
        await quota(api, scopes={"scopeSelector": {"matchExpressions": [demand]}}, pods="0")
        assert "exceeded quota" in await refused(api, PODS, pod("p", priorityClassName="high"))
        await api.make(PODS, pod("p"))


async def test_services_count_their_node_ports_and_balancers_also_when_they_change() -> None:
    async with serving() as api:
        await quota(api, services_nodeports="1", services_loadbalancers="0")
        path = f"{DEFAULT}/services"
        ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
        await api.make(path, {"metadata": {"name": "s"}, "spec": {"ports": ports}})
        answer = await api.patch(f"{path}/s", {"spec": {"type": "NodePort"}})
        assert answer.status_code == 403
        assert (
            "requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1" in answer.text
        )
        assert (await api.patch(f"{path}/s", {"spec": {"ports": ports[:1], "type": "NodePort"}})).status_code == 200
        assert "services.loadbalancers=1" in await refused(
            api, path, {"metadata": {"name": "l"}, "spec": {"type": "LoadBalancer", "ports": ports}}
        )


async def test_a_quota_that_is_raised_lets_more_in() -> None:
    async with serving() as api:
        await quota(api, configmaps="0")
        await refused(api, f"{DEFAULT}/configmaps", {"metadata": {"name": "a"}})
        await api.patch(f"{QUOTAS}/q", {"spec": {"hard": {"configmaps": "1"}}})
        await api.config_map("a")
        await api.http.delete(f"{QUOTAS}/q")
        await api.config_map("b")


async def limit_range(api: Api, **item: Any) -> None:
    await api.make(RANGES, {"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", **item}]}})


async def test_a_limit_range_gives_containers_their_defaults_and_says_so() -> None:
    async with serving() as api:
        await api.account()
        await limit_range(api, default={"cpu": "1", "memory": "1Gi"}, defaultRequest={"cpu": "100m"})
        body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "main", "image": "x"}]}}
        made = await api.make(PODS, body)
        assert made["spec"]["containers"][0]["resources"] == {
            "limits": {"cpu": "1", "memory": "1Gi"},
            "requests": {"cpu": "100m", "memory": "1Gi"},
        }
        assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
            "LimitRanger plugin set: cpu, memory request for container main; cpu, memory limit for container main"
        )
        assert made["status"]["qosClass"] == "Burstable"


@pytest.mark.parametrize(
    ("item", "requests", "limits", "said"),
    [
        ({"max": {"cpu": "1"}}, {}, {"cpu": "2"}, "maximum cpu usage per Container is 1, but limit is 2"),
        ({"min": {"cpu": "1"}}, {"cpu": "500m"}, {}, "minimum cpu usage per Container is 1, but request is 500m"),
        (
            {"maxLimitRequestRatio": {"memory": "2"}},
            {"memory": "1Gi"},
            {"memory": "3Gi"},
            "memory max limit to request ratio per Container is 2, but provided ratio is 3.000000",
        ),
    ],
    ids=["max", "min", "ratio"],
)
async def test_a_limit_range_bounds_containers(item: Json, requests: Json, limits: Json, said: str) -> None:
    async with serving() as api:
        await api.account()
        await limit_range(api, **item)
        assert await refused(api, PODS, pod("p", requests, limits)) == f'pods "p" is forbidden: {said}'


async def test_a_limit_range_bounds_the_pod_as_a_whole_and_lists_every_finding() -> None:
    async with serving() as api:
        await api.account()
        await limit_range(api, type="Pod", max={"cpu": "1", "memory": "1Gi"})
        containers = [{"name": name, "image": "x", "resources": {"limits": {"cpu": "600m"}}} for name in "ab"]
        body = {"metadata": {"name": "p"}, "spec": {"containers": containers}}
        assert await refused(api, PODS, body) == (
            'pods "p" is forbidden: [maximum cpu usage per Pod is 1, but limit is 1200m, '
            "maximum memory usage per Pod is 1Gi.  No limit is specified]"
        )


async def test_a_limit_range_bounds_claims() -> None:
    async with serving() as api:
        await limit_range(api, type="PersistentVolumeClaim", max={"storage": "1Gi"})
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
        body = {"metadata": {"name": "c"}, "spec": spec}
        assert await refused(api, f"{DEFAULT}/persistentvolumeclaims", body) == (
            'persistentvolumeclaims "c" is forbidden: '
            "maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi"
        )


async def test_a_pod_that_is_none_is_told_so_and_not_filled_in() -> None:
    async with serving() as api:
        await api.account()
        await limit_range(api, default={"cpu": "1"})
        await quota(api, requests_cpu="1")
        for spec in ({}, {"containers": []}, {"containers": [{}]}, {"containers": [{"image": "x"}]}):
            answer = await api.http.post(PODS, json={"metadata": {"name": "p"}, "spec": spec})
            assert answer.status_code == 422, answer.text
        assert (await api.http.post(PODS, json={"metadata": {"name": "p"}})).status_code == 422


async def test_what_defaults_make_of_a_pod_is_its_quality_from_the_first_moment() -> None:
    async with serving() as api:
        await api.account()
        assert (await api.make(PODS, pod("without")))["status"]["qosClass"] == "BestEffort"
        await limit_range(api, default={"cpu": "1", "memory": "1Gi"}, defaultRequest={"cpu": "1", "memory": "1Gi"})
        assert (await api.make(PODS, pod("with")))["status"] == {"phase": "Pending", "qosClass": "Guaranteed"}


@pytest.mark.parametrize("steps", range(6))
async def test_clients_that_hang_up_neither_exceed_a_quota_nor_keep_its_places(steps: int) -> None:
    """Each is cut off at another moment of its write; what was committed counts, what was not is free again."""
    env = LateEnv()
    async with serving(env=env) as api:
        await quota(api, configmaps="5")
        transport = api.server.transport("system:apiserver")
        path = f"{DEFAULT}/configmaps"

        def body(name: str) -> Json:
            return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}}

        for round_ in range(4):
            tasks = [
                asyncio.ensure_future(transport.request("POST", path, body=body(f"c{round_}-{each}")))
                for each in range(8)
            ]
            for _ in range(steps):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert len((await api.get(path)).json()["items"]) <= 5
        env.late = 60.0
        while (await api.http.post(path, json=body(f"more-{env.uid()}"))).status_code == 201:
            pass
        assert len((await api.get(path)).json()["items"]) == 5


class LateEnv(SystemEnv):
    """A clock that can be put on."""

    late = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.late
