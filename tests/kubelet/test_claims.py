"""Claims of Pods: mounted where their volume lies, or told why not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from podling.client.informer import Informer
from podling.client.resources import EVENTS, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS
from podling.supervise import Supervisor
from podling.testing import Cluster

Json = dict[str, Any]


def volume(**source: Any) -> Json:
    reference = {"namespace": "default", "name": "c"}
    spec = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "claimRef": reference}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": spec | source}


def claim(**more: Any) -> Json:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": spec | more}


def pod(**more: Any) -> Json:
    # nodeName is given: the scheduler would not place a Pod whose claim is not bound.
    container = {"name": "c", "image": "x", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    source = {"persistentVolumeClaim": {"claimName": "c"} | more}
    spec = {"containers": [container], "volumes": [{"name": "data", **source}], "nodeName": "node-1"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


async def told(cluster: Cluster, reason: str) -> str:
    """The message of the first event with this reason."""
    informer = Informer(cluster.client.transport, EVENTS, cluster.env)
    async with Supervisor() as watching:
        watching.start("events", informer.run())
        async with asyncio.timeout(20):
            await informer.wait_until(lambda: any(each.json()["reason"] == reason for each in informer.list()))
        return next(str(each.json()["message"]) for each in informer.list() if each.json()["reason"] == reason)


async def bound(cluster: Cluster) -> None:
    informer = Informer(cluster.client.transport, PERSISTENTVOLUMECLAIMS, cluster.env)
    async with Supervisor() as watching:
        watching.start("claims", informer.run())
        async with asyncio.timeout(20):
            await informer.wait_until(lambda: any(each.view.status.phase == "Bound" for each in informer.list()))


CASES = [
    (
        {"csi": {"driver": "example.com", "volumeHandle": "1"}},
        {},
        "only PersistentVolumes of type hostPath and local are supported by this node",
    ),
    ({"hostPath": {"path": "/", "type": "Socket"}}, {}, "hostPath type check failed: / is not a socket file"),
]


@pytest.mark.parametrize(("source", "asked", "why"), CASES, ids=["driver", "type"])
async def test_what_cannot_be_mounted_is_told(source: Json, asked: Json, why: str) -> None:
    async with Cluster() as cluster:
        await cluster.client.create(PERSISTENTVOLUMES, "", volume(**source))
        await cluster.client.create(PERSISTENTVOLUMECLAIMS, "default", claim())
        await bound(cluster)
        await cluster.client.create(PODS, "default", pod(**asked))
        assert await told(cluster, "FailedMount") == f'MountVolume.SetUp failed for volume "data" : {why}'


async def test_a_claim_that_is_not_bound_holds_its_pod_until_it_is(tmp_path: Path) -> None:
    async with Cluster() as cluster:
        await cluster.client.create(PERSISTENTVOLUMECLAIMS, "default", claim())
        await cluster.client.create(PODS, "default", pod())
        assert await told(cluster, "FailedMount") == (
            "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], "
            "failed to process volumes=[data]: error processing PVC default/c: PVC is not bound"
        )
        await cluster.client.create(PERSISTENTVOLUMES, "", volume(hostPath={"path": str(tmp_path / "made")}))
        await told(cluster, "Started")
        assert (tmp_path / "made").is_dir()
