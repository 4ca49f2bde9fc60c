"""A new cluster's own storage: claims without a class become folders on a node, by everybody who has a part in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from podling.client.informer import Informer
from podling.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, STATEFULSETS, STORAGECLASSES
from podling.client.transport import Resource
from podling.supervise import Supervisor
from podling.testing import Cluster

Json = dict[str, Any]
SPEC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
CONTAINER = {"name": "c", "image": "x", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}


def claim(**more: Any) -> Json:
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": SPEC | more}


def pod(claim: str = "c") -> Json:
    source = {"name": "data", "persistentVolumeClaim": {"claimName": claim}}
    spec = {"containers": [CONTAINER], "volumes": [source], "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def statefulset(replicas: int) -> Json:
    template = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [CONTAINER]}}
    spec = {"selector": {"matchLabels": {"app": "db"}}, "serviceName": "db", "replicas": replicas, "template": template}
    templates = [{"metadata": {"name": "data"}, "spec": SPEC}]
    named = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}}
    return named | {"spec": spec | {"volumeClaimTemplates": templates}}


async def until(cluster: Cluster, resource: Resource, holds: Callable[[list[Json]], bool]) -> list[Json]:
    """All objects of the resource as soon as this is true of them."""
    informer = Informer(cluster.client.transport, resource, cluster.env)
    async with Supervisor() as watching:
        watching.start("objects", informer.run())
        await informer.wait_synced()
        async with asyncio.timeout(20):
            await informer.wait_until(lambda: holds([each.json() for each in informer.list()]))
        return [each.json() for each in informer.list()]


def running(pods: list[Json]) -> int:
    return sum(any(c["type"] == "Ready" and c["status"] == "True" for c in _conditions(each)) for each in pods)


def _conditions(pod: Json) -> list[Json]:
    return list((pod.get("status") or {}).get("conditions") or ())


async def folder_of(cluster: Cluster, name: str = "c") -> Path:
    found = (await cluster.client.get(PERSISTENTVOLUMECLAIMS, "default", name)).object
    volume = (await cluster.client.get(PERSISTENTVOLUMES, "", found["spec"]["volumeName"])).object
    return Path(volume["spec"]["hostPath"]["path"])


async def test_a_claim_without_a_class_is_a_folder_that_goes_with_it() -> None:
    async with Cluster() as cluster:
        await cluster.client.create(PERSISTENTVOLUMECLAIMS, "default", claim())
        made = (await cluster.client.create(PODS, "default", pod())).object
        await until(cluster, PODS, lambda pods: running(pods) == 1)
        folder = await folder_of(cluster)
        assert folder.is_dir() and folder.stat().st_mode & 0o777 == 0o777
        assert folder.parent.stat().st_mode & 0o777 == 0o700, "open to containers, not to everybody on the machine"
        (folder / "kept").write_text("data")
        await cluster.client.delete(PODS, "default", "p", uid=made["metadata"]["uid"])
        await until(cluster, PODS, lambda pods: not pods)
        assert (folder / "kept").read_text() == "data"
        await cluster.client.delete(PERSISTENTVOLUMECLAIMS, "default", "c")
        await until(cluster, PERSISTENTVOLUMES, lambda found: not found)
        assert not folder.exists() and folder.parent.is_dir()


async def test_a_claim_waits_for_its_first_consumer_and_grows() -> None:
    async with Cluster() as cluster:
        asked = (await cluster.client.create(PERSISTENTVOLUMECLAIMS, "default", claim())).object
        assert asked["spec"]["storageClassName"] == "standard"
        await cluster.client.create(PODS, "default", pod())
        await until(cluster, PERSISTENTVOLUMECLAIMS, lambda found: found[0]["status"]["phase"] == "Bound")
        more = {"spec": {"resources": {"requests": {"storage": "5Gi"}}}}
        await cluster.client.patch(PERSISTENTVOLUMECLAIMS, "default", "c", more)
        await until(cluster, PERSISTENTVOLUMECLAIMS, lambda found: found[0]["status"]["capacity"] == {"storage": "5Gi"})
        (volume,) = await until(cluster, PERSISTENTVOLUMES, bool)
        assert volume["spec"]["capacity"] == {"storage": "5Gi"}
        await until(cluster, PODS, lambda pods: running(pods) == 1)


async def test_each_pod_of_a_stateful_set_keeps_its_data_and_its_node() -> None:
    async with Cluster(nodes=2) as cluster:
        await cluster.client.create(STATEFULSETS, "default", statefulset(2))
        before = await until(cluster, PODS, lambda pods: running(pods) == 2)
        folders = [await folder_of(cluster, f"data-db-{number}") for number in (0, 1)]
        for number, folder in enumerate(folders):
            (folder / "kept").write_text(str(number))
        old = {each["metadata"]["uid"] for each in before}
        for each in before:
            await cluster.client.delete(PODS, "default", each["metadata"]["name"], grace=0)
        after = await until(
            cluster,
            PODS,
            lambda pods: running(pods) == 2 and not old & {each["metadata"]["uid"] for each in pods},
        )
        assert [folder.joinpath("kept").read_text() for folder in folders] == ["0", "1"]
        where = {each["metadata"]["name"]: each["spec"]["nodeName"] for each in before}
        assert {each["metadata"]["name"]: each["spec"]["nodeName"] for each in after} == where


async def test_a_retained_volume_leaves_its_data() -> None:
    async with Cluster() as cluster:
        keeps = {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "kept"},
            "provisioner": "podling.dev/hostpath",
            "reclaimPolicy": "Retain",
            "volumeBindingMode": "Immediate",
        }
        await cluster.client.create(STORAGECLASSES, "", keeps)
        await cluster.client.create(PERSISTENTVOLUMECLAIMS, "default", claim(storageClassName="kept"))
        (volume,) = await until(cluster, PERSISTENTVOLUMES, lambda found: any(_bound(each) for each in found))
        folder = Path(volume["spec"]["hostPath"]["path"])
        folder.mkdir(parents=True)
        await cluster.client.delete(PERSISTENTVOLUMECLAIMS, "default", "c")
        await until(cluster, PERSISTENTVOLUMES, lambda found: found[0]["status"]["phase"] == "Released")
        await cluster.client.delete(PERSISTENTVOLUMES, "", volume["metadata"]["name"])
        await until(cluster, PERSISTENTVOLUMES, lambda found: not found)
        assert folder.is_dir()


def _bound(volume: Json) -> bool:
    return bool(volume["status"]["phase"] == "Bound")
