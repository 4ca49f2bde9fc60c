"""Storage that a cluster has of its own: claims without a class, real containers, the way users look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Cluster, eventually

pytestmark = pytest.mark.real
SCRIPT = "echo started >> /data/log; exec sleep infinity"
# No user of the machine, and not root: the folder has to be open to whoever a container runs as.
USER = 4711


def statefulset() -> dict[str, Any]:
    container = {
        "name": "c",
        "image": "host:1",
        "command": ["sh", "-c", SCRIPT],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    pod = {"containers": [container], "terminationGracePeriodSeconds": 0, "securityContext": {"runAsUser": USER}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {
            "serviceName": "db",
            "replicas": 2,
            "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": pod},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    }


def rows(cluster: Cluster, *what: str) -> list[list[str]]:
    """The cells of a table that kubectl prints, without the ages."""
    lines = cluster.kubectl("get", *what).ok().out.splitlines()
    return [line.split()[:-1] for line in lines[1:]]


def rolled_out(cluster: Cluster) -> None:
    cluster.kubectl("rollout", "status", "statefulset/db", "--timeout=60s").ok()


def folders(cluster: Cluster) -> list[Path]:
    found = cluster.json("get", "pv")["items"]
    return [Path(each["spec"]["hostPath"]["path"]) for each in found]


def logs(cluster: Cluster) -> list[str]:
    return [cluster.kubectl("exec", f"db-{number}", "--", "cat", "/data/log").ok().out for number in (0, 1)]


def test_a_stateful_set_keeps_its_data_until_its_claims_go(cluster: Cluster) -> None:
    assert rows(cluster, "sc") == [
        ["standard", "(default)", "podling.dev/hostpath", "Delete", "WaitForFirstConsumer", "true"]
    ]
    cluster.create(statefulset())
    rolled_out(cluster)
    claims = rows(cluster, "pvc")
    volumes = {each[2] for each in claims}
    assert [each[:2] + each[3:] for each in claims] == [
        [f"data-db-{number}", "Bound", "1Gi", "RWO", "standard", "<unset>"] for number in (0, 1)
    ]
    assert {each[0] for each in rows(cluster, "pv")} == volumes
    assert {tuple(each[1:5]) for each in rows(cluster, "pv")} == {("1Gi", "RWO", "Delete", "Bound")}
    assert all(path.is_relative_to(cluster.root) for path in folders(cluster))

    cluster.kubectl("delete", "pod", "db-0", "db-1").ok()
    rolled_out(cluster)
    assert logs(cluster) == ["started\n" * 2] * 2, "Pods come and go"

    cluster.podling("stop").ok()
    cluster.start()
    eventually(lambda: cluster.pods("app=db"), 20, "the Pods are there again")
    rolled_out(cluster)
    cluster.wait_ready("db-0", "db-1")
    assert [log.startswith("started\n" * 3) for log in logs(cluster)] == [True, True], "and so do clusters"

    kept = folders(cluster)
    cluster.kubectl("delete", "statefulset", "db", "--wait").ok()
    assert all((path / "log").exists() for path in kept)
    cluster.kubectl("delete", "pvc", "data-db-0", "data-db-1", "--wait").ok()
    eventually(lambda: not folders(cluster), 20, "the volumes are gone")
    assert not any(path.exists() for path in kept)


def test_the_class_is_given_once_and_then_the_users(cluster: Cluster) -> None:
    cluster.kubectl("delete", "sc", "standard").ok()
    cluster.podling("stop").ok()
    cluster.start()
    assert cluster.kubectl("get", "sc").ok().out == ""
