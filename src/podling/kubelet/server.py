"""The streams the API server asks a node for: exec, attach, port-forward, logs, statistics.

`network/nodesocket.py` owns the door and passes descriptors; here one request becomes one socket.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from podling.api.errors import BadRequest, InternalError, NotFound, ServiceUnavailable, not_found
from podling.env import rfc3339
from podling.kubelet.kubelet import Kubelet
from podling.kubelet.logoptions import options_of
from podling.kubelet.logs import chosen_container, send_log
from podling.kubelet.podworker import PodWorker
from podling.runtime.interface import RuntimeFailure, Stats
from podling.supervise import Supervisor

Request = Mapping[str, Any]


class NodeHandlers:
    """`handle` is what a `NodeSocket` calls; sends go on in `tasks` after it has answered."""

    def __init__(self, kubelet: Kubelet, tasks: Supervisor) -> None:
        self._kubelet, self._tasks = kubelet, tasks
        self._verbs: dict[str, Callable[[Request], Awaitable[socket.socket]]] = {
            "exec": self._exec,
            "attach": self._attach,
            "portforward": self._forward,
            "logs": self._logs,
            "stats": self._stats,
        }

    async def handle(self, request: Request) -> socket.socket:
        """Raises ApiError."""
        verb = self._verbs.get(str(request.get("verb")))
        if verb is None:
            raise BadRequest(f"a node has no verb {request.get('verb')!r}")
        try:
            return await verb(request)
        except RuntimeFailure as error:
            raise InternalError(error.message) from error

    def _worker(self, request: Request) -> PodWorker:
        namespace, name = str(request.get("namespace", "")), str(request.get("pod", ""))
        worker = self._kubelet.worker(namespace, name)
        if worker is None:
            raise not_found("pods", name)
        return worker

    def _running(self, request: Request) -> str:
        """The id of the running container that is meant."""
        worker = self._worker(request)
        name = str(request.get("container") or worker.pod.spec.containers[0].name)
        run = worker.state.last(name)
        if run is None or run.state != "running":
            raise NotFound(f'unable to upgrade connection: container not found ("{name}")')
        return run.id

    async def _exec(self, request: Request) -> socket.socket:
        command = tuple(str(word) for word in request.get("command") or ())
        if not command:
            raise BadRequest("you must specify at least 1 command for the container")
        return await self._kubelet.runtime.exec(
            self._running(request),
            command,
            tty=bool(request.get("tty")),
            stdin=bool(request.get("stdin")),
            stdout=bool(request.get("stdout", True)),
            stderr=bool(request.get("stderr", True)) and not request.get("tty"),
        )

    async def _attach(self, request: Request) -> socket.socket:
        return await self._kubelet.runtime.attach(
            self._running(request),
            stdin=bool(request.get("stdin")),
            stdout=bool(request.get("stdout", True)),
            stderr=bool(request.get("stderr", True)) and not request.get("tty"),
        )

    async def _forward(self, request: Request) -> socket.socket:
        worker, port = self._worker(request), int(request.get("port", 0))
        sandbox = worker.state.sandbox
        if sandbox is None or not sandbox.ready:
            raise NotFound(f'unable to forward port: pod "{request.get("pod")}" is not running')
        try:
            return await self._kubelet.runtime.connect(sandbox.id, port)
        except OSError as error:
            why = os.strerror(error.errno).lower() if error.errno else str(error)
            raise ServiceUnavailable(
                f"error forwarding port {port} to pod {sandbox.id}, uid {worker.uid}: failed to connect to "
                f"localhost:{port} inside the pod: dial tcp4 127.0.0.1:{port}: connect: {why}"
            ) from error

    async def _logs(self, request: Request) -> socket.socket:
        worker = self._worker(request)
        name = str(request.get("container") or worker.pod.spec.containers[0].name)
        if self._kubelet.runtime.simulated:
            raise BadRequest(f'pod "{worker.pod.metadata.name}" is simulated: no process runs in it that could log')
        try:
            options = options_of(request, self._kubelet.env.now())
        except ValueError as error:
            raise BadRequest(str(error)) from error
        id = chosen_container(worker.status, worker.pod.metadata.name, name, options.previous)
        container = await self._kubelet.runtime.container(id)
        if container is None or not container.log_path:
            raise NotFound(f'container "{name}" in pod "{worker.pod.metadata.name}" is not available: its log is gone')
        ours, theirs = _pair()
        sending = send_log(container.log_path, options, ours, partial(worker.exited, id))
        self._tasks.start(f"log of {worker.pod.metadata.name}", sending)
        return theirs

    async def _stats(self, request: Request) -> socket.socket:
        document = msgspec.json.encode(await summary(self._kubelet))
        ours, theirs = _pair()
        self._tasks.start("statistics", _send(ours, document))
        return theirs


def _pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


async def _send(out: socket.socket, data: bytes) -> None:
    with out:
        try:
            await asyncio.get_running_loop().sock_sendall(out, data)
        except ConnectionError:
            return


async def summary(kubelet: Kubelet) -> dict[str, Any]:
    """The kubelet's `/stats/summary`, of what is measured: CPU seconds and working set of each container and of all."""
    now = rfc3339(kubelet.env.now())
    used = {stats.id: stats for stats in await kubelet.runtime.stats()}
    pods = []
    for worker in kubelet.workers:
        containers = []
        for run in worker.state.all():
            if (stats := used.get(run.id)) is not None:
                containers.append({"name": run.name, "startTime": rfc3339(run.started_at), **_used(stats, now)})
        meta = worker.pod.metadata
        reference = {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid}
        pods.append({"podRef": reference, "startTime": worker.status.get("startTime"), "containers": containers})
    node: dict[str, Any] = {"nodeName": kubelet.config.node_name, "startTime": rfc3339(kubelet.started)}
    if (whole := used.get("")) is not None:
        node |= _used(whole, now)
    return {"node": node, "pods": pods}


def _used(stats: Stats, now: str) -> dict[str, Any]:
    return {
        "cpu": {"time": now, "usageCoreNanoSeconds": int(stats.cpu_seconds * 1e9)},
        "memory": {"time": now, "workingSetBytes": stats.memory_bytes},
    }
