"""The kubelet with real containers: what only a real process can show."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from podling.api.errors import NotFound
from podling.client.resources import CONFIGMAPS, PODS
from podling.env import SystemEnv, parse_rfc3339
from podling.kubelet.server import NodeHandlers
from podling.supervise import Supervisor
from podling.wire.session import STATUS, STDOUT, Unframer
from tests.kubelet.world import World, phase, ready, serving, waiting
from tests.runtime.machines import Machine, machine

pytestmark = pytest.mark.real

WAIT = 'trap "exit 0" TERM; while true; do sleep 0.05; done'


@contextlib.asynccontextmanager
async def node() -> AsyncIterator[tuple[World, Machine]]:
    env = SystemEnv()
    async with machine() as m, serving(env) as server:
        yield World(server, m.runtime, m.state, env), m


def running(script: str, **container: Any) -> dict[str, Any]:
    one = {"name": "main", "image": "host", "command": ["sh", "-c", script], **container}
    return {"terminationGracePeriodSeconds": 2, "containers": [one]}


def probe(command: str, **fields: Any) -> dict[str, Any]:
    return {"exec": {"command": ["sh", "-c", command]}, "periodSeconds": 1, "failureThreshold": 1, **fields}


async def received(sock: socket.socket, end: bytes = b"") -> bytes:
    """What comes until `end`, or until the other side closes."""
    data = b""
    async with asyncio.timeout(10):
        while not end or not data.endswith(end):
            piece = await asyncio.get_running_loop().sock_recv(sock, 65536)
            if not piece:
                break
            data += piece
    return data


def container_status(pod: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod["status"]["containerStatuses"][0]
    return found


async def test_a_container_sees_its_environment_its_files_and_its_name() -> None:
    async with node() as (w, _), w.node():
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"color": "red"}}
        await w.admin.create(CONFIGMAPS, "default", body)
        script = (
            "echo $COLOR $(hostname) $(cat /v/color) $(cat /etc/resolv.conf | head -1); echo why > /dev/termination-log"
        )
        spec = running(
            script,
            env=[{"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}}],
            volumeMounts=[{"name": "v", "mountPath": "/v"}],
        )
        await w.create(**spec, restartPolicy="Never", volumes=[{"name": "v", "configMap": {"name": "settings"}}])
        done = await w.until(phase("Succeeded"))
        assert container_status(done)["state"]["terminated"]["message"] == "why\n"
        async with Supervisor() as tasks:
            with await NodeHandlers(w.kubelet, tasks).handle(
                {"verb": "logs", "namespace": "default", "pod": "web"}
            ) as log:
                said = await received(log)
        assert said == b"red web red search default.svc.cluster.local svc.cluster.local cluster.local\n"


async def test_a_pod_follows_its_readiness_probe() -> None:
    async with node() as (w, m), w.node():
        await w.create(**running(f"touch /ready; {WAIT}", readinessProbe=probe("test -e /ready")))
        await w.until(ready)
        id = container_status(await w.pod())["containerID"].removeprefix("crun://")
        await m.runtime.exec_sync(id, ("rm", "/ready"), 5)
        unready = await w.until(lambda pod: not ready(pod))
        assert container_status(unready)["restartCount"] == 0
        await m.runtime.exec_sync(id, ("touch", "/ready"), 5)
        await w.until(ready)
        assert any(event.startswith("Warning Unhealthy Readiness probe failed:") for event in await w.events())


async def test_a_container_that_is_not_alive_is_replaced() -> None:
    async with node() as (w, _), w.node():
        script = f"touch /alive; (sleep 0.5; rm /alive) & {WAIT}"
        await w.create(**running(script, livenessProbe=probe("test -e /alive")))
        await w.until(lambda pod: pod["status"].get("containerStatuses", [{}])[0].get("restartCount") == 1)
        told = await w.events()
        assert "Normal Killing Container main failed liveness probe, will be restarted" in told


async def test_a_pod_is_unready_the_moment_its_process_ends() -> None:
    async with node() as (w, _), w.node():
        await w.create(**running("sleep 0.7; exit 3"), restartPolicy="Never")
        await w.until(ready)
        failed = await w.until(lambda pod: not ready(pod))
        seen = w.env.now()
        ended = container_status(failed)["state"]["terminated"]
        assert ended["exitCode"] == 3
        assert seen - parse_rfc3339(ended["finishedAt"]) < 1.2, "finishedAt is in whole seconds"


async def test_a_program_that_is_not_there_is_named() -> None:
    async with node() as (w, _), w.node():
        spec = {"containers": [{"name": "main", "image": "host", "command": ["no-such-program"]}]}
        await w.create(**spec)
        pod = await w.until(waiting("CrashLoopBackOff"))
        ended = container_status(pod)["lastState"]["terminated"]
        assert (ended["reason"], ended["exitCode"]) == ("StartError", 128)
        assert "no-such-program" in ended["message"]


async def test_exec_runs_beside_and_logs_follow_until_the_end() -> None:
    async with node() as (w, _), w.node(), Supervisor() as tasks:
        handlers = NodeHandlers(w.kubelet, tasks)
        await w.create(**running(f"echo begun; {WAIT}"), restartPolicy="Never")
        await w.until(ready)
        where = {"namespace": "default", "pod": "web", "container": "main"}
        with await handlers.handle({"verb": "logs", **where, "follow": True}) as log:
            assert await received(log, b"\n") == b"begun\n"
            with await handlers.handle({"verb": "exec", **where, "command": ["echo", "hello"]}) as session:
                frames = list(Unframer().feed(await received(session)))
            assert b"".join(data for channel, data in frames if channel == STDOUT) == b"hello\n"
            assert any(channel == STATUS and b"Success" in data for channel, data in frames)
            await w.admin.delete(PODS, "default", "web")
            assert await received(log) == b""
        await w.until_gone()
        with pytest.raises(NotFound):
            await handlers.handle({"verb": "exec", **where, "command": ["true"]})


async def test_a_newborn_kubelet_takes_real_containers_over() -> None:
    async with node() as (w, m):
        async with w.node():
            await w.create(**running(WAIT, readinessProbe=probe("true")))
            await w.create("crash", **running("exit 4"))
            before = await w.until(ready)
            crashed = await w.until(waiting("CrashLoopBackOff"), "crash")
        w.runtime = m.reborn()
        async with w.node():
            # Two periods of the probe: long enough for a wrong verdict, a restart or a write to show.
            await w.env.sleep(2)
            assert w.kubelet.worker("default", "web") is not None
            assert container_status(await w.pod()) == container_status(before)
            assert ready(await w.pod())
            assert container_status(await w.pod("crash")) == container_status(crashed)


async def test_deleting_a_pod_sends_the_stop_signal_and_waits_for_the_hook() -> None:
    async with node() as (w, m), w.node():
        hooks = {"preStop": {"exec": {"command": ["sh", "-c", "touch /shared/hook"]}}}
        shared = {"name": "shared", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
        script = 'trap "test -e /shared/hook && exit 0; exit 9" TERM; while true; do sleep 0.05; done'
        mounts = [{"name": "shared", "mountPath": "/shared"}]
        await w.create(**running(script, lifecycle=hooks, volumeMounts=mounts), volumes=[shared])
        await w.until(ready)
        await w.admin.delete(PODS, "default", "web")
        last = await w.until(phase("Succeeded"))
        assert container_status(last)["state"]["terminated"]["exitCode"] == 0
        await w.until_gone()
        assert await m.runtime.list() == ((), ())
