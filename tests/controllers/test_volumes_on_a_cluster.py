"""Volumes by the whole control plane: binder, scheduler, protection and garbage collector together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from podling.client.informer import Informer
from podling.client.resources import EVENTS, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, STORAGECLASSES
from podling.client.transport import Resource
from podling.supervise import Supervisor
from podling.testing import Cluster

Json = dict[str, Any]
SPEC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "local"}


def volume(name: str, **more: Any) -> Json:
    spec = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"}, "hostPath": {"path": "/data"}}
    named = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}}
    return named | {"spec": spec | {"storageClassName": "local"} | more}


def claim(name: str, **more: Any) -> Json:
    named = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}}
    return named | {"spec": SPEC | more}


def pod(name: str, source: Json) -> Json:
    mount = {"name": "data", "mountPath": "/data"}
    spec = {
        "containers": [{"name": "c", "image": "x", "volumeMounts": [mount]}],
        "volumes": [{"name": "data", **source}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def storage_class() -> Json:
    said = {"provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}
    return {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "local"}} | said


async def until(cluster: Cluster, resource: Resource, holds: Callable[[Json], bool], *, gone: bool = False) -> None:
    """An object for which it holds is there; or (`gone`) none is any more."""
    informer = Informer(cluster.client.transport, resource, cluster.env)
    async with Supervisor() as watching:
        watching.start("informer", informer.run())
        async with asyncio.timeout(20):
            await informer.wait_synced()
            await informer.wait_until(lambda: any(holds(each.json()) for each in informer.list()) is not gone)


def is_in(name: str, phase: str) -> Callable[[Json], bool]:
    return lambda found: found["metadata"]["name"] == name and (found.get("status") or {}).get("phase") == phase


def at(path: Path) -> Json:
    return {"path": str(path), "type": "Directory"}


async def test_a_claim_waits_for_its_pod_and_is_bound_where_that_goes(tmp_path: Path) -> None:
    async with Cluster() as cluster:
        await cluster.client.create(STORAGECLASSES, "", storage_class())
        await cluster.client.create(PERSISTENTVOLUMES, "", volume("v", hostPath=at(tmp_path)))
        await cluster.client.create(PERSISTENTVOLUMECLAIMS, "default", claim("c"))
        await until(cluster, EVENTS, lambda found: found["reason"] == "WaitForFirstConsumer")
        await cluster.client.create(PODS, "default", pod("p", {"persistentVolumeClaim": {"claimName": "c"}}))
        await until(cluster, PERSISTENTVOLUMECLAIMS, is_in("c", "Bound"))
        await until(cluster, PERSISTENTVOLUMES, is_in("v", "Bound"))
        await until(cluster, PODS, is_in("p", "Running"))


async def test_what_is_left_of_a_claim_is_a_released_volume() -> None:
    async with Cluster(nodes=0) as cluster:
        await cluster.client.create(PERSISTENTVOLUMES, "", volume("v"))
        await cluster.client.create(PERSISTENTVOLUMECLAIMS, "default", claim("c"))
        await until(cluster, PERSISTENTVOLUMECLAIMS, is_in("c", "Bound"))
        await until(cluster, PERSISTENTVOLUMES, is_in("v", "Bound"))
        await cluster.client.delete(PERSISTENTVOLUMECLAIMS, "default", "c")
        await until(cluster, PERSISTENTVOLUMECLAIMS, lambda found: True, gone=True)
        await until(cluster, PERSISTENTVOLUMES, is_in("v", "Released"))


async def test_an_ephemeral_volume_is_bound_and_goes_with_its_pod(tmp_path: Path) -> None:
    async with Cluster() as cluster:
        await cluster.client.create(STORAGECLASSES, "", storage_class())
        await cluster.client.create(PERSISTENTVOLUMES, "", volume("v", hostPath=at(tmp_path)))
        source = {"ephemeral": {"volumeClaimTemplate": {"spec": SPEC}}}
        await cluster.client.create(PODS, "default", pod("p", source))
        await until(cluster, PERSISTENTVOLUMECLAIMS, is_in("p-data", "Bound"))
        await until(cluster, PODS, is_in("p", "Running"))
        await cluster.client.delete(PODS, "default", "p", grace=0)
        await until(cluster, PERSISTENTVOLUMECLAIMS, lambda found: True, gone=True)
        await until(cluster, PERSISTENTVOLUMES, is_in("v", "Released"))


async def test_many_claims_get_as_many_volumes_and_none_twice() -> None:
    async with Cluster(nodes=0) as cluster:
        for number in range(30):
            await cluster.client.create(PERSISTENTVOLUMECLAIMS, "default", claim(f"c{number}"))
            await cluster.client.create(PERSISTENTVOLUMES, "", volume(f"v{number}"))
        for number in range(30):
            await until(cluster, PERSISTENTVOLUMES, is_in(f"v{number}", "Bound"))
        listing = await cluster.client.transport.list(PERSISTENTVOLUMECLAIMS, namespace="default")
        assert len({each.json()["spec"]["volumeName"] for each in listing.items}) == 30


async def test_a_default_class_that_comes_later_is_given_to_claims_that_said_none() -> None:
    async with Cluster(nodes=0) as cluster:
        await cluster.client.delete(STORAGECLASSES, "", "standard")
        wish = claim("c")
        del wish["spec"]["storageClassName"]
        await cluster.client.create(PERSISTENTVOLUMECLAIMS, "default", wish)
        await until(cluster, EVENTS, lambda found: found["reason"] == "FailedBinding")
        body = storage_class()
        body["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
        await cluster.client.create(STORAGECLASSES, "", body)
        await until(cluster, PERSISTENTVOLUMECLAIMS, lambda found: found["spec"].get("storageClassName") == "local")
