"""What admission adds and refuses."""

from __future__ import annotations

import asyncio

from tests.apiserver.serving import DEFAULT, serving

PODS = f"{DEFAULT}/pods"
BODY = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "main", "image": "x"}]}}
TOKENS = "/var/run/secrets/kubernetes.io/serviceaccount"


async def test_nothing_is_created_in_a_namespace_that_is_not_there() -> None:
    async with serving() as api:
        answer = await api.http.post("/api/v1/namespaces/x/configmaps", json={"metadata": {"name": "a"}})
        assert (answer.status_code, answer.json()["message"]) == (404, 'namespaces "x" not found')


async def test_the_systems_namespaces_stay() -> None:
    async with serving() as api:
        answer = await api.http.delete("/api/v1/namespaces/kube-system")
        assert answer.status_code == 403
        assert answer.json()["message"] == 'namespaces "kube-system" is forbidden: this namespace may not be deleted'


async def test_a_pod_finds_token_ca_and_namespace_in_a_volume() -> None:
    async with serving() as api:
        await api.account()
        spec = (await api.pod("p"))["spec"]
        assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
        volume = spec["volumes"][0]
        assert volume["name"].startswith("kube-api-access-")
        sources = [next(iter(source)) for source in volume["projected"]["sources"]]
        assert sources == ["serviceAccountToken", "configMap", "downwardAPI"]
        mount = {"name": volume["name"], "readOnly": True, "mountPath": TOKENS}
        assert spec["containers"][0]["volumeMounts"] == [mount]


async def test_a_pod_that_wants_no_token_gets_none() -> None:
    async with serving() as api:
        await api.account()
        spec = {**BODY["spec"], "automountServiceAccountToken": False}
        assert "volumes" not in (await api.make(PODS, {**BODY, "spec": spec}))["spec"]


async def test_an_unknown_account_is_refused() -> None:
    async with serving() as api:
        body = {**BODY, "spec": {**BODY["spec"], "serviceAccountName": "bob"}}
        answer = await api.http.post(PODS, json=body)
        assert answer.status_code == 403
        assert answer.json()["message"] == (
            'pods "p" is forbidden: error looking up service account default/bob: serviceaccount "bob" not found'
        )


async def test_a_pod_waits_a_moment_for_the_default_account() -> None:
    async with serving() as api, api.client(api.admin()) as other:
        creating = asyncio.ensure_future(other.post(PODS, json=BODY))
        await asyncio.sleep(0)
        await api.account()
        assert (await creating).status_code == 201


async def test_pods_tolerate_a_lost_node_for_five_minutes() -> None:
    async with serving() as api:
        await api.account()
        mine = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
        spec = {**BODY["spec"], "tolerations": [mine]}
        found = (await api.make(PODS, {**BODY, "spec": spec}))["spec"]["tolerations"]
        assert [(each["key"], each.get("tolerationSeconds")) for each in found] == [
            ("node.kubernetes.io/not-ready", None),
            ("node.kubernetes.io/unreachable", 300),
        ]


async def test_a_new_node_is_not_ready() -> None:
    async with serving() as api:
        node = await api.make("/api/v1/nodes", {"metadata": {"name": "n"}})
        assert node["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]


async def test_priority_comes_from_the_class() -> None:
    async with serving() as api:
        await api.account()
        classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
        await api.make(classes, {"metadata": {"name": "high"}, "value": 1000})
        for name, priority in (("high", 1000), ("system-node-critical", 2000001000), ("", 0)):
            spec = {**BODY["spec"], **({"priorityClassName": name} if name else {})}
            made = await api.make(PODS, {"metadata": {"generateName": "p-"}, "spec": spec})
            assert made["spec"]["priority"] == priority
        answer = await api.http.post(PODS, json={**BODY, "spec": {**BODY["spec"], "priorityClassName": "nope"}})
        assert answer.status_code == 403 and "no PriorityClass with name nope was found" in answer.text
