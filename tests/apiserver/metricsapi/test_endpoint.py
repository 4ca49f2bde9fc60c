"""metrics.k8s.io as clients see it: discovery, lists, selectors, tables, `kubectl top`."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from podling.env import SystemEnv, rfc3339
from tests.apiserver import serving as server
from tests.apiserver.serving import DEFAULT, Api, names

PODS = f"{DEFAULT}/pods"
METRICS = "/apis/metrics.k8s.io/v1beta1"
Json = dict[str, Any]


class Counting:
    """A Dialer whose node n1 has used half a core since the beginning, and another that does not answer."""

    def __init__(self) -> None:
        self.env, self.asked = SystemEnv(), 0
        self.began = self.env.now()
        self.pods: dict[str, str] = {}
        """uid → name."""

    async def connect(self, node: str, address: str, port: int) -> socket.socket:
        raise OSError("nobody connects here")

    async def stream(self, node: str, request: Mapping[str, Any]) -> socket.socket:
        if node != "n1":
            raise OSError("there is no node")
        self.asked += 1
        ours, theirs = socket.socketpair()
        ours.sendall(json.dumps(self.summary()).encode())
        ours.close()
        theirs.setblocking(False)
        return theirs

    def summary(self) -> Json:
        used = 0.5 * (self.env.now() - self.began) + 100
        counted = {"cpu": {"usageCoreNanoSeconds": int(used * 1e9)}, "memory": {"workingSetBytes": 8 << 20}}
        container = {"name": "main", "startTime": rfc3339(self.began - 200), **counted}
        pods = [{"podRef": {"uid": uid}, "containers": [container]} for uid in self.pods]
        return {"node": {"nodeName": "n1", **counted}, "pods": pods}


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Api, Counting]]:
    async with server.serving() as api:
        await api.account()
        dialer = Counting()
        api.server.backend.usage._dialer = dialer
        for name, labels in (("n1", {}), ("silent", {}), ("s1", {"podling.dev/simulated": "true"})):
            await api.make("/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})
            amounts = {"cpu": "4", "memory": "8Gi", "pods": "110"}
            status = {"status": {"capacity": amounts, "allocatable": amounts}}
            assert (await api.patch(f"/api/v1/nodes/{name}/status", status)).status_code == 200
        yield api, dialer


async def running(api: Api, name: str, node: str, **metadata: Any) -> str:
    made = await api.pod(name, node, **metadata)
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    told = {"name": "main", "state": state, "ready": True, "restartCount": 0, "image": "x", "imageID": "x"}
    status = {"status": {"phase": "Running", "containerStatuses": [told]}}
    assert (await api.patch(f"{PODS}/{name}/status", status)).status_code == 200
    uid: str = made["metadata"]["uid"]
    return uid


async def test_usage_of_pods_is_measured_and_selected_by_label() -> None:
    async with serving() as (api, dialer):
        dialer.pods = {await running(api, "a", "n1", labels={"app": "a"}): "a"}
        await running(api, "b", "silent", labels={"app": "b"})
        listed = (await api.get(f"{METRICS}/namespaces/default/pods")).json()
        assert (listed["kind"], listed["apiVersion"], names(listed)) == (
            "PodMetricsList",
            "metrics.k8s.io/v1beta1",
            ["a"],
        )
        [pod] = listed["items"]
        assert pod["metadata"]["labels"] == {"app": "a"}
        [container] = pod["containers"]
        assert (container["name"], container["usage"]["memory"]) == ("main", "8Mi")
        assert 0.45e9 < int(container["usage"]["cpu"].removesuffix("n")) < 0.55e9
        assert float(pod["window"].removesuffix("s")) >= 1
        one = (await api.get(f"{METRICS}/pods", labelSelector="app=b")).json()
        assert one["items"] == []


async def test_nodes_are_asked_once_for_those_who_ask_together_and_soon_again() -> None:
    async with serving() as (api, dialer):
        first, second = await asyncio.gather(api.get(f"{METRICS}/nodes"), api.get(f"{METRICS}/nodes"))
        assert first.json()["items"] == second.json()["items"]
        await api.get(f"{METRICS}/nodes/n1")
        assert dialer.asked == 2


async def test_nodes_that_do_not_answer_are_missing_and_unknown_names_not_found() -> None:
    async with serving() as (api, _):
        assert names((await api.get(f"{METRICS}/nodes")).json()) == ["n1", "s1"]
        missing = await api.get(f"{METRICS}/nodes/silent")
        assert missing.status_code == 404
        assert missing.json()["message"] == 'nodemetrics.metrics.k8s.io "silent" not found'
        unknown = await api.get(f"{METRICS}/namespaces/default/pods/x")
        assert unknown.json()["message"] == 'podmetrics.metrics.k8s.io "default/x" not found'


async def test_a_simulated_pod_uses_what_it_says_and_its_metrics_say_that() -> None:
    async with serving() as (api, _):
        said = {"podling.dev/simulated-cpu": "250m", "podling.dev/simulated-memory": "64Mi"}
        await running(api, "told", "s1", annotations=said)
        await running(api, "silent", "s1")
        found = {each["metadata"]["name"]: each for each in (await api.get(f"{METRICS}/pods")).json()["items"]}
        assert found["told"]["containers"][0]["usage"] == {"cpu": "250m", "memory": "64Mi"}
        assert found["silent"]["containers"][0]["usage"] == {"cpu": "0", "memory": "0"}
        assert all(each["metadata"]["labels"]["podling.dev/simulated"] == "true" for each in found.values())
        node = (await api.get(f"{METRICS}/nodes/s1")).json()
        assert (node["usage"], node["metadata"]["labels"]) == (
            {"cpu": "250m", "memory": "64Mi"},
            {"podling.dev/simulated": "true"},
        )


async def test_metrics_can_only_be_read() -> None:
    async with serving() as (api, _):
        assert (await api.http.post(f"{METRICS}/nodes", json={})).status_code == 405
        assert (await api.http.delete(f"{METRICS}/nodes/n1")).status_code == 405
        assert (await api.get(f"{METRICS}/nodes", watch="true")).status_code == 405


async def test_kubectl_tops_nodes_and_pods_and_prints_tables() -> None:
    async with serving() as (api, dialer):
        dialer.pods = {await running(api, "a", "n1"): "a"}
        top = await api.kubectl("top", "node")
        assert top.code == 0, top.err
        rows = [line.split() for line in top.out.splitlines()]
        assert rows[0] == ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
        assert (rows[1][0], rows[1][3:]) == ("n1", ["8Mi", "0%"])
        assert 490 <= int(rows[1][1].removesuffix("m")) <= 510
        pods = await api.kubectl("top", "pod", "--containers")
        assert pods.out.splitlines()[1].split()[:2] == ["a", "main"], pods.err
        table = await api.kubectl("get", "pods.metrics.k8s.io")
        assert table.out.splitlines()[0].split() == ["NAME", "CPU", "MEMORY", "WINDOW"], table.err
        listed = await api.kubectl("api-resources", "--api-group=metrics.k8s.io", "--no-headers")
        assert [line.split() for line in listed.out.splitlines()] == [
            ["nodes", "metrics.k8s.io/v1beta1", "false", "NodeMetrics"],
            ["pods", "metrics.k8s.io/v1beta1", "true", "PodMetrics"],
        ]
