"""What admission fills in and refuses by classes: storage, Ingress, runtime, priority, topology."""

from __future__ import annotations

from typing import Any

from tests.apiserver.serving import DEFAULT, Api, serving

PODS, CLAIMS = f"{DEFAULT}/pods", f"{DEFAULT}/persistentvolumeclaims"
STORAGE, PRIORITY = "/apis/storage.k8s.io/v1/storageclasses", "/apis/scheduling.k8s.io/v1/priorityclasses"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
Json = dict[str, Any]
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def pod(name: str = "p", **spec: Any) -> Json:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "x"}], **spec}}


async def storage_class(api: Api, name: str, default: str = "true", **more: Any) -> None:
    annotations = {"storageclass.kubernetes.io/is-default-class": default}
    await api.make(STORAGE, {"metadata": {"name": name, "annotations": annotations}, "provisioner": "x/y", **more})


async def refused(api: Api, path: str, body: Json) -> str:
    answer = await api.http.post(path, json=body)
    assert answer.status_code == 403, answer.text
    return str(answer.json()["message"])


async def test_a_claim_without_a_class_gets_the_default_one() -> None:
    async with serving() as api:
        assert "storageClassName" not in (await api.make(CLAIMS, {"metadata": {"name": "a"}, "spec": CLAIM}))["spec"]
        await storage_class(api, "other", default="false")
        await storage_class(api, "standard")
        made = await api.make(CLAIMS, {"metadata": {"name": "b"}, "spec": CLAIM})
        assert made["spec"]["storageClassName"] == "standard"
        none = await api.make(CLAIMS, {"metadata": {"name": "c"}, "spec": {**CLAIM, "storageClassName": ""}})
        assert none["spec"]["storageClassName"] == ""


async def test_volumes_and_claims_are_protected_from_their_first_moment() -> None:
    async with serving() as api:
        claim = await api.make(CLAIMS, {"metadata": {"name": "a"}, "spec": CLAIM})
        assert claim["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
        spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
        volume = await api.make("/api/v1/persistentvolumes", {"metadata": {"name": "v"}, "spec": spec})
        assert volume["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]


async def test_a_claim_grows_only_where_it_is_bound_and_its_class_lets_it() -> None:
    async with serving() as api:
        await storage_class(api, "fixed")
        await storage_class(api, "growing", default="false", allowVolumeExpansion=True)
        more = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
        for name in ("fixed", "growing"):
            await api.make(CLAIMS, {"metadata": {"name": name}, "spec": {**CLAIM, "storageClassName": name}})
            await api.patch(f"{CLAIMS}/{name}/status", {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}})
        answer = await api.patch(f"{CLAIMS}/fixed", more)
        assert answer.json()["message"] == (
            'persistentvolumeclaims "fixed" is forbidden: only dynamically provisioned pvc can be resized and the '
            "storageclass that provisions the pvc must support resize"
        )
        assert (await api.patch(f"{CLAIMS}/growing", more)).status_code == 200


async def test_an_ingress_without_a_class_gets_the_default_one() -> None:
    async with serving() as api:
        annotations = {"ingressclass.kubernetes.io/is-default-class": "true"}
        body = {"metadata": {"name": "nginx", "annotations": annotations}, "spec": {"controller": "a/b"}}
        await api.make("/apis/networking.k8s.io/v1/ingressclasses", body)
        backend = {"service": {"name": "s", "port": {"number": 80}}}
        made = await api.make(INGRESSES, {"metadata": {"name": "i"}, "spec": {"defaultBackend": backend}})
        assert made["spec"]["ingressClassName"] == "nginx"
        old = {"name": "j", "annotations": {"kubernetes.io/ingress.class": "mine"}}
        made = await api.make(INGRESSES, {"metadata": old, "spec": {"defaultBackend": backend}})
        assert "ingressClassName" not in made["spec"]


async def runtime_class(api: Api) -> None:
    scheduling = {"nodeSelector": {"sandbox": "yes"}, "tolerations": [{"key": "sandbox", "operator": "Exists"}]}
    body = {
        "metadata": {"name": "sandboxed"},
        "handler": "h",
        "overhead": {"podFixed": {"memory": "120Mi", "cpu": "250m"}},
        "scheduling": scheduling,
    }
    await api.make("/apis/node.k8s.io/v1/runtimeclasses", body)


async def test_a_runtime_class_brings_its_overhead_and_its_nodes() -> None:
    async with serving() as api:
        await api.account()
        await runtime_class(api)
        spec = (await api.make(PODS, pod(runtimeClassName="sandboxed", nodeSelector={"disk": "ssd"})))["spec"]
        assert spec["overhead"] == {"memory": "120Mi", "cpu": "250m"}
        assert spec["nodeSelector"] == {"disk": "ssd", "sandbox": "yes"}
        assert {"key": "sandbox", "operator": "Exists"} in spec["tolerations"]


async def test_a_pod_cannot_contradict_its_runtime_class() -> None:
    async with serving() as api:
        await api.account()
        await runtime_class(api)
        begin = 'pods "p" is forbidden: '
        for spec, why in (
            ({"runtimeClassName": "nope"}, 'pod rejected: RuntimeClass "nope" not found'),
            (
                {"overhead": {"cpu": "1"}},
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
            ),
            (
                {"runtimeClassName": "sandboxed", "overhead": {"cpu": "1"}},
                "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
            ),
            (
                {"runtimeClassName": "sandboxed", "nodeSelector": {"sandbox": "no"}},
                "conflict: runtimeClass.scheduling.nodeSelector[sandbox] = yes; pod.spec.nodeSelector[sandbox] = no",
            ),
        ):
            assert await refused(api, PODS, pod(**spec)) == begin + why


async def test_nobody_sets_his_own_priority() -> None:
    async with serving() as api:
        await api.account()
        await api.make(PRIORITY, {"metadata": {"name": "high"}, "value": 1000})
        assert await refused(api, PODS, pod(priority=5, priorityClassName="high")) == (
            'pods "p" is forbidden: the integer value of priority (5) must not be provided in pod spec; '
            "priority admission controller computed 1000 from the given PriorityClass name"
        )
        assert "the string value of PreemptionPolicy (Never)" in await refused(api, PODS, pod(preemptionPolicy="Never"))


async def test_only_one_priority_class_is_the_default() -> None:
    async with serving() as api:
        await api.make(PRIORITY, {"metadata": {"name": "a"}, "value": 1, "globalDefault": True})
        assert await refused(api, PRIORITY, {"metadata": {"name": "b"}, "value": 2, "globalDefault": True}) == (
            'priorityclasses.scheduling.k8s.io "b" is forbidden: PriorityClass a is already marked as default. '
            "Only one default can exist"
        )


async def test_the_systems_priority_classes_are_there() -> None:
    async with serving() as api:
        listed = (await api.get(PRIORITY)).json()["items"]
        assert [(each["metadata"]["name"], each["value"]) for each in listed] == [
            ("system-cluster-critical", 2000000000),
            ("system-node-critical", 2000001000),
        ]


async def test_a_pod_learns_the_zone_of_its_node() -> None:
    async with serving() as api:
        await api.account()
        zone = {"topology.kubernetes.io/zone": "a", "kubernetes.io/hostname": "n"}
        await api.make("/api/v1/nodes", {"metadata": {"name": "n", "labels": zone}})
        await api.make(PODS, pod("bound"))
        target = {"target": {"kind": "Node", "name": "n"}, "metadata": {"name": "bound"}}
        await api.make(f"{PODS}/bound/binding", target)
        placed = await api.make(PODS, pod("placed", nodeName="n"))
        for found in ((await api.get(f"{PODS}/bound")).json(), placed):
            assert found["metadata"]["labels"] == {"topology.kubernetes.io/zone": "a"}
