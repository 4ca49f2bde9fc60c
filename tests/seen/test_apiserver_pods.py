"""A Pod of 5 KB may cost twice what a small object may: `make seen ISSUE=apiserver_pods`.

As in `test_walkthrough_cpu`: the server's CPU at 8 connections, in y, of which the bounds are twice those of a
ConfigMap. The load is our own closed loop, because the yardstick's program knows ConfigMaps only.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import yardstick
from bench.api import BOUNDS
from bench.cluster import Measured
from bench.load import Connection, Target, closed_loop, opened
from bench.process import precise_cpu_seconds
from bench.quotients import Quotients

pytestmark = [pytest.mark.slow, pytest.mark.timed]

CONNECTIONS, ROUNDS, PODS = 8, 10, 500
PATH = "/api/v1/namespaces/default/pods"
Show = Callable[[str, object, object], None]
Json = dict[str, Any]


def large_pod() -> Json:
    """As charts make them: two containers with variables, probes, resources and mounts."""
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5, "timeoutSeconds": 2}
    env = [{"name": f"SETTING_{number}", "value": f"value of setting {number}"} for number in range(3)]
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}
    mounts = [{"name": "settings", "mountPath": "/etc/settings", "readOnly": True}, {"name": "work", "mountPath": "/w"}]
    container = {
        "image": "registry.example.com/team/service:1.2.3",
        "command": ["/bin/service", "--config=/etc/settings/service.yaml", "--verbose"],
        "env": env,
        "resources": resources,
        "volumeMounts": mounts,
        "livenessProbe": probe,
        "readinessProbe": probe,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "readOnlyRootFilesystem": True},
    }
    return {
        "schedulingGates": [{"name": "example.com/never"}],
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {"name": "main", "ports": [{"name": "http", "containerPort": 8080}], **container},
            {
                "name": "sidecar",
                "image": "registry.example.com/team/proxy:4",
                "resources": resources,
                "volumeMounts": mounts,
            },
        ],
        "volumes": [{"name": "settings", "configMap": {"name": "settings"}}, {"name": "work", "emptyDir": {}}],
    }


def body(name: str) -> bytes:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "large"}}}
    return json.dumps({**pod, "spec": large_pod()}).encode()


def patch(name: str) -> bytes:
    return json.dumps({"metadata": {"labels": {"patched": name}}}).encode()


async def operations(target: Target, pid: int, number: int) -> Iterator[tuple[str, float]]:
    """CPU seconds per 1,000 of each."""
    merge = "application/merge-patch+json"
    found: list[tuple[str, float]] = []
    for label, verb, make in (
        ("create", "POST", body),
        ("GET", "GET", lambda _: b""),
        ("merge patch", "PATCH", patch),
        ("delete", "DELETE", lambda _: b""),
    ):

        async def one(connection: Connection, index: int, verb: str = verb, make: Any = make) -> None:
            name = f"large-{number}-{index}"
            path = PATH if verb == "POST" else f"{PATH}/{name}"
            media = (merge,) if verb == "PATCH" else ()
            status, answer = await connection.request(verb, path, make(name), *media)
            assert status < 300, answer

        async with opened(target, CONNECTIONS) as connections:
            before = precise_cpu_seconds(pid)
            await closed_loop(connections, PODS, one)
            found.append((label, (precise_cpu_seconds(pid) - before) * 1000 / PODS))
    return iter(found)


def test_a_pod_of_five_kilobytes_costs_at_most_twice_a_small_object(tmp_path: Path, show: Show) -> None:
    program = os.environ.get("APIBENCH")
    found = Quotients()
    with Measured(tmp_path, "pods", "--runtime", "fake") as cluster:
        target, pid = Target.load(cluster.kubeconfig), cluster.status()["server"]["pid"]
        before = asyncio.run(yardstick.measured(program, 1))
        for number in range(ROUNDS):
            figures = dict(asyncio.run(operations(target, pid, number)))
            after = asyncio.run(yardstick.measured(program, 1))
            found.add(figures, (before, after))
            before = after
        size = asyncio.run(_size(target))
    for label, figure in found.all().items():
        show(f"CPU per 1,000 × {label} of a Pod of {size} bytes", figure, f"{2 * BOUNDS[label]:g} y")
    assert size >= 5000
    assert not {label: each.times for label, each in found.all().items() if each.times > 2 * BOUNDS[label]}


async def _size(target: Target) -> int:
    async with opened(target, 1) as (connection,):
        status, answer = await connection.request("POST", PATH, body("one"))
        assert status == 201, answer
        return len(answer)
