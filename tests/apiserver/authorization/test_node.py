"""What a node may: its own, and what its Pods name."""

from __future__ import annotations

from typing import Any

import pytest

from podling.apiserver.authorization.podreferences import references
from tests.apiserver.authorization.test_rbac import as_user
from tests.apiserver.serving import DEFAULT, Api, serving

Json = dict[str, Any]
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
MERGE = {"content-type": "application/merge-patch+json"}


async def pod_with_secret(api: Api, name: str, node: str, secret: str) -> Json:
    volumes = [{"name": "v", "secret": {"secretName": secret}}]
    spec = {"nodeName": node, "containers": [{"name": "main", "image": "x"}], "volumes": volumes}
    return await api.make(f"{DEFAULT}/pods", {"metadata": {"name": name}, "spec": spec})


def node(api: Api, name: str) -> Any:
    return as_user(api, f"system:node:{name}", "system:nodes")


async def test_a_node_reads_the_secrets_of_its_own_pods_only() -> None:
    async with serving() as api, node(api, "one") as one, node(api, "two") as two:
        await api.account()
        await api.make(f"{DEFAULT}/secrets", {"metadata": {"name": "s"}})
        await pod_with_secret(api, "p", "one", "s")
        assert (await one.get(f"{DEFAULT}/secrets/s")).status_code == 200
        watched = {"fieldSelector": "metadata.name=s"}
        assert (await one.get(f"{DEFAULT}/secrets", params=watched)).status_code == 200
        assert (await one.get(f"{DEFAULT}/secrets")).status_code == 403
        refused = await two.get(f"{DEFAULT}/secrets/s")
        assert refused.json()["message"] == (
            'secrets "s" is forbidden: User "system:node:two" cannot get resource "secrets" in API group "" in the '
            "namespace \"default\": no relationship found between node 'two' and this object"
        )
        await api.http.delete(f"{DEFAULT}/pods/p", params={"gracePeriodSeconds": "0"})
        assert (await one.get(f"{DEFAULT}/secrets/s")).status_code == 403


async def test_a_node_lists_and_watches_its_own_pods_only() -> None:
    async with serving() as api, node(api, "one") as one:
        own, others = {"fieldSelector": "spec.nodeName=one"}, {"fieldSelector": "spec.nodeName=two"}
        assert (await one.get("/api/v1/pods", params=own)).status_code == 200
        assert (await one.get("/api/v1/pods", params=others)).status_code == 403
        assert "can only list/watch pods with spec.nodeName" in (await one.get("/api/v1/pods")).json()["message"]


async def test_a_node_writes_its_own_node_and_lease_only() -> None:
    async with serving() as api, node(api, "one") as one:
        assert (await one.post("/api/v1/nodes", json={"metadata": {"name": "one"}})).status_code == 201
        other = await one.post("/api/v1/nodes", json={"metadata": {"name": "two"}})
        assert other.json()["message"] == ('nodes "two" is forbidden: node "one" is not allowed to modify node "two"')
        await api.make("/api/v1/nodes", {"metadata": {"name": "two"}})
        status = await one.patch("/api/v1/nodes/two/status", json={"status": {"phase": "x"}}, headers=MERGE)
        assert status.status_code == 403
        tainted = await one.patch("/api/v1/nodes/one", json={"spec": {"taints": []}}, headers=MERGE)
        assert tainted.status_code == 403 and "is not allowed to modify taints" in tainted.text
        label = {"metadata": {"labels": {"node-restriction.kubernetes.io/a": "b"}}}
        labelled = await one.patch("/api/v1/nodes/one", json=label, headers=MERGE)
        assert "is not allowed to modify labels: node-restriction.kubernetes.io/a" in labelled.json()["message"]
        assert (await one.post(LEASES, json={"metadata": {"name": "one"}})).status_code == 201
        assert (await one.post(LEASES, json={"metadata": {"name": "two"}})).status_code == 403


async def test_a_node_says_how_its_own_pods_are_and_no_others() -> None:
    async with serving() as api, node(api, "one") as one:
        await api.account()
        await api.pod("mine", node="one")
        await api.pod("other", node="two")
        body = {"status": {"phase": "Running"}}
        assert (await one.patch(f"{DEFAULT}/pods/mine/status", json=body, headers=MERGE)).status_code == 200
        refused = await one.patch(f"{DEFAULT}/pods/other/status", json=body, headers=MERGE)
        assert "can only update pod status for pods with spec.nodeName set to itself" in refused.json()["message"]
        assert (await one.delete(f"{DEFAULT}/pods/other")).status_code == 403
        created = await one.post(f"{DEFAULT}/pods", json={"metadata": {"name": "new"}, "spec": {"containers": []}})
        assert "can only create mirror pods" in created.json()["message"]


async def test_a_node_gets_tokens_for_its_pods_only() -> None:
    async with serving() as api, node(api, "one") as one:
        await api.account()
        mine = await api.pod("mine", node="one")
        other = await api.pod("other", node="two")
        path = f"{DEFAULT}/serviceaccounts/default/token"

        async def asked(pod: Json | None) -> int:
            reference: Json = {"kind": "Pod", "apiVersion": "v1"}
            if pod is not None:
                reference |= {"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
            body = {"spec": {"boundObjectRef": reference} if pod is not None else {}}
            return int((await one.post(path, json=body)).status_code)

        assert [await asked(pod) for pod in (mine, other, None)] == [201, 403, 403]


async def test_a_node_finds_services_and_their_endpoints_for_its_proxy_and_dns() -> None:
    async with serving() as api, node(api, "one") as one:
        for path in ("/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices", "/api/v1/nodes"):
            assert (await one.get(path)).status_code == 200, path
        assert (await one.get("/api/v1/namespaces")).status_code == 403


async def test_a_user_who_only_calls_himself_a_node_is_none() -> None:
    async with serving() as api, as_user(api, "system:node:one") as nobody:
        assert (await nobody.get("/api/v1/services")).status_code == 403


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (b'{"volumes":[{"name":"v","secret":{"secretName":"s"}}]}', ("secrets", "s")),
        (b'{"volumes":[{"name":"v","projected":{"sources":[{"secret":{"name":"s"}}]}}]}', ("secrets", "s")),
        (b'{"volumes":[{"name":"v","configMap":{"name":"c"}}]}', ("configmaps", "c")),
        (b'{"containers":[{"env":[{"valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}]}]}', ("secrets", "s")),
        (b'{"initContainers":[{"envFrom":[{"configMapRef":{"name":"c"}}]}]}', ("configmaps", "c")),
        (b'{"imagePullSecrets":[{"name":"s"}]}', ("secrets", "s")),
        (b'{"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"d"}}]}', ("persistentvolumeclaims", "d")),
        (b'{"volumes":[{"name":"v","ephemeral":{}}]}', ("persistentvolumeclaims", "p-v")),
        (b'{"serviceAccountName":"a"}', ("serviceaccounts", "a")),
    ],
)
def test_a_pod_names_what_it_needs_in_many_places(spec: bytes, expected: tuple[str, str]) -> None:
    assert expected in references(b'{"metadata":{"name":"p"},"spec":' + spec + b"}")


def mirror(**metadata: Any) -> Json:
    """A Pod as a kubelet shows one that it runs from a file."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": "one", "uid": "u", "controller": True}
    given = {"name": "static-one", "annotations": {"kubernetes.io/config.mirror": "hash"}, "ownerReferences": [owner]}
    return {"metadata": given | metadata, "spec": {"nodeName": "one", "containers": [{"name": "c", "image": "x"}]}}


async def test_a_nodes_mirror_pod_is_its_own_and_needs_nothing() -> None:
    async with serving() as api, node(api, "one") as one:
        needing = mirror()
        needing["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "s"}}]
        freed = [{**mirror()["metadata"]["ownerReferences"][0], "controller": False}]
        for body, why in (
            (needing, "can not create pods that reference secrets"),
            (mirror(ownerReferences=[]), "can only create pods with an owner reference set to itself"),
            (mirror(ownerReferences=freed), "can only create pods with a controller owner reference set to itself"),
        ):
            answer = await one.post(f"{DEFAULT}/pods", json=body)
            assert answer.status_code == 403 and why in answer.json()["message"]
        assert (await one.post(f"{DEFAULT}/pods", json=mirror())).status_code == 201


async def test_a_node_evicts_its_own_pods_only() -> None:
    async with serving() as api, node(api, "one") as one:
        await api.account()
        for name in ("one", "two"):
            await api.pod(f"on-{name}", node=name)
            answer = await one.post(f"{DEFAULT}/pods/on-{name}/eviction", json={"metadata": {"name": f"on-{name}"}})
            assert answer.status_code == (201 if name == "one" else 403), answer.text
        assert "can only evict pods with spec.nodeName set to itself" in answer.json()["message"]
