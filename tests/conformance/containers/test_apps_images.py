"""sig-apps: each replica of a set is a real server of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.containers.nets import Net, net, serving
from tests.conformance.kube import Json, Kube


@pytest.fixture(scope="module")
def apps(kube: Kube) -> Iterator[Net]:
    with net(kube) as found:
        yield found


def each_replica_answers(apps: Net, resource: str, body: Json) -> None:
    name = body["metadata"]["name"]
    labels = {"app": name}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [serving()]}
    body["spec"] |= {"replicas": 2, "template": {"metadata": {"labels": labels}, "spec": spec}}
    sets = apps.at(resource)
    sets.create(body)
    sets.until(name, lambda found: found["status"].get("readyReplicas") == 2)
    pods = apps.pods.items(labelSelector=f"app={name}")
    assert len(pods) == 2
    for pod in pods:
        called = pod["metadata"]["name"]
        assert called.startswith(f"{name}-")
        apps.serves(called)
        assert apps.raw(apps.door(called), "hostname").text == called
    sets.delete(name, propagationPolicy="Background")


@pytest.mark.conformance(
    "[sig-apps] ReplicaSet should serve a basic image on each replica with a public image [Conformance]"
)
def test_each_replica_of_a_replica_set_serves(apps: Net) -> None:
    spec = {"selector": {"matchLabels": {"app": "my-hostname-rs"}}}
    each_replica_answers(apps, "apps/v1/replicasets", {"metadata": {"name": "my-hostname-rs"}, "spec": spec})


@pytest.mark.conformance(
    "[sig-apps] ReplicationController should serve a basic image on each replica with a public image [Conformance]"
)
def test_each_replica_of_a_replication_controller_serves(apps: Net) -> None:
    body: Json = {"metadata": {"name": "my-hostname-rc"}, "spec": {"selector": {"app": "my-hostname-rc"}}}
    each_replica_answers(apps, "v1/replicationcontrollers", body)
