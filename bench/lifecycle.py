"""Cold start, idle cost, Pods to Ready, a NodePort answering: a cluster as its user feels it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .cluster import Measured
from .load import Connection, Target, opened
from .process import cpu_seconds, memory_mib
from .report import row, spread, title


def cold_start(folder: Path, rounds: int) -> None:
    """The stages a newcomer waits for; the first Pod of an application included."""
    title("Cold start (a new cluster each time)")
    seen: dict[str, list[float]] = {}
    for number in range(rounds):
        with Measured(_fresh(folder, f"start-{number}")) as cluster:
            began = time.monotonic() - cluster.start_seconds
            stages = {
                "command returns: node Ready, DNS answers": cluster.start_seconds,
                "API answering": _until(began, lambda: "ok" in cluster.kubectl("get", "--raw", "/readyz")),
                "kubernetes Service": _until(began, lambda: "10.96.0.1" in cluster.kubectl("get", "svc", "kubernetes")),
                "DNS Service": _until(
                    began, lambda: "10.96.0.10" in cluster.kubectl("get", "svc", "-n", "kube-system")
                ),
            }
            cluster.build_host_image(folder)
            built = time.monotonic()
            cluster.kubectl("create", "-f", "-", stdin=json.dumps(_pods(1, "app")))
            cluster.kubectl("wait", "--for=condition=Ready", "pod", "-l", "app=app", "--timeout=60s")
            stages["application running (after create)"] = time.monotonic() - built
            cluster.kubectl("exec", "app-0", "--", "getent", "hosts", "kubernetes.default.svc.cluster.local")
            stages["DNS answering in it (after create)"] = time.monotonic() - built
            for stage, seconds in stages.items():
                seen.setdefault(stage, []).append(seconds)
    for stage, values in seen.items():
        row(stage, spread(values))


def idle(folder: Path, seconds: float) -> None:
    """A cluster without Pods, left alone."""
    title(f"An idle cluster without Pods, over {seconds:.0f} s")
    with Measured(_fresh(folder, "idle")) as cluster:
        pids = cluster.pids()
        before = {name: cpu_seconds([pid]) for name, pid in pids.items()}
        time.sleep(seconds)
        total = 0.0
        for name, pid in pids.items():
            used = cpu_seconds([pid]) - before[name]
            total += used
            row(name, f"{memory_mib([pid]):.0f} MiB PSS", f"{100 * used / seconds:.2f} % of a core")
        together = list(pids.values())
        row("together", f"{memory_mib(together):.0f} MiB PSS", f"{100 * total / seconds:.2f} % of a core")


def pods_ready(folder: Path, rounds: int) -> None:
    """Create to Ready of 1, 10, 50 Pods of `sleep`; CPU of our three processes beside."""
    title("Pods of sleep, from create to Ready")
    with Measured(_fresh(folder, "pods")) as cluster:
        cluster.build_host_image(folder)
        pids = list(cluster.pids().values())
        _pods_once(cluster, pids, 1)
        for count in (1, 10, 50):
            figures = [_pods_once(cluster, pids, count) for _ in range(rounds)]
            row(f"{count} Pods", spread([wall for wall, _ in figures]), f"CPU {spread([cpu for _, cpu in figures])}")


def node_port(folder: Path, rounds: int) -> None:
    """From `kubectl create` of a Service to the first answer at its NodePort."""
    title("A NodePort answering after create (kubectl's own time included)")
    with Measured(_fresh(folder, "nodeport")) as cluster:
        cluster.build_host_image(folder)
        server = ["python3", "-m", "http.server", "8080"]
        cluster.kubectl("create", "-f", "-", stdin=json.dumps(_pods(1, "web", server)))
        cluster.kubectl("wait", "--for=condition=Ready", "pod", "-l", "app=web", "--timeout=60s")
        address = cluster.podling("ip", "--name", cluster.name).strip()
        values = []
        for number in range(rounds):
            port = 31000 + number
            began = time.monotonic()
            cluster.kubectl("create", "-f", "-", stdin=json.dumps(_service(f"web-{number}", port)))
            values.append(_until(began, partial(_connects, address, port)))
        row("NodePort", spread(values))


def _pods_once(cluster: Measured, pids: list[int], count: int) -> tuple[float, float]:
    cpu = cpu_seconds(pids)
    wall = asyncio.run(_created_to_ready(cluster, count))
    cpu = cpu_seconds(pids) - cpu
    cluster.kubectl("delete", "pod", "-l", "app=sleep", "--grace-period=0", "--force")
    _until(0, lambda: not json.loads(cluster.kubectl("get", "pods", "-l", "app=sleep", "-o", "json"))["items"])
    return wall, cpu


async def _created_to_ready(cluster: Measured, count: int) -> float:
    """Seconds from calling `kubectl create` to the last Ready that a watch tells (`kubectl wait` would add a tenth of
    a second for each Pod, because it looks that seldom)."""
    async with opened(Target.load(cluster.kubeconfig), 1) as (watcher,):
        await watcher.send("GET", "/api/v1/namespaces/default/pods?watch=1&labelSelector=app%3Dsleep")
        await watcher.head()
        began = time.monotonic()
        manifest = json.dumps(_pods(count, "sleep"))
        creating = asyncio.create_task(asyncio.to_thread(cluster.kubectl, "create", "-f", "-", stdin=manifest))
        await asyncio.wait_for(_all_ready(watcher, count), 120)
        seconds = time.monotonic() - began
        await creating
        return seconds


async def _all_ready(watcher: Connection, count: int) -> None:
    ready: set[str] = set()
    async for piece in watcher.chunks():
        for line in piece.splitlines():
            pod = json.loads(line)["object"]
            conditions = pod.get("status", {}).get("conditions", ())
            if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
                ready.add(pod["metadata"]["name"])
        if len(ready) == count:
            return


def _pods(count: int, app: str, command: list[str] | None = None) -> dict[str, Any]:
    container = {"name": "c", "image": "host:1", "command": command or ["sleep", "infinity"]}
    items = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{app}-{number}", "labels": {"app": app}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
        }
        for number in range(count)
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _service(name: str, port: int) -> dict[str, Any]:
    spec = {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 8080, "nodePort": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def _until(began: float, look: Callable[[], bool]) -> float:
    deadline = time.monotonic() + 60
    while not look():
        if time.monotonic() > deadline:
            raise RuntimeError("nothing came within 60 s")
    return time.monotonic() - began


def _connects(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(12).startswith(b"HTTP/1.")
    except OSError:
        return False


def _fresh(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir(parents=True)
    return made
