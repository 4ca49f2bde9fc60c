"""The node as its keeper holds it: sandboxes, containers, listeners, and the verbs on them.

Every verb takes the request and an answer to give now or later. What is not possible is refused with ValueError or
OSError and changes nothing.
"""

from __future__ import annotations

import binascii
import os
import signal
import socket

from podling.keeper import cgroups, limits
from podling.keeper.clock import now
from podling.keeper.containers import Container
from podling.keeper.execs import Execs
from podling.keeper.namespaces import PROCESSES, Namespaces
from podling.keeper.processes import Processes
from podling.keeper.records import Records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from podling.keeper.loop import Loop


FIRST_PROCESS = ["/usr/bin/env", "--ignore-signal=CHLD", "sleep", "infinity"]
"""What lives in a process namespace that containers share: whoever ignores its children's ends has them reaped."""


class Answer:
    """How a verb answers: `ok(value, *descriptors)` (they are sent and closed here) or `error(text)`."""

    def __init__(self, ok: Callable[..., None], error: Callable[[str], None]) -> None:
        self.ok, self.error = ok, error


class Node:
    """`group` is the node's cgroup; `host_proc` a descriptor of the host's /proc, `pid` our own there."""

    def __init__(self, loop: Loop, records: Records, namespaces: Namespaces, group: str, host_proc: int, pid: int):
        self.loop, self.records, self.namespaces, self.group = loop, records, namespaces, group
        self._host_proc, self.pid = host_proc, pid
        self.cgroups = cgroups.discover()
        self.processes = Processes(loop)
        self.execs = Execs(loop, self.processes)
        self.containers = {name: Container(self, record) for name, record in records.containers.items()}
        self.listeners: dict[str, socket.socket] = {}
        self._first: dict[str, int] = {}
        self.tell: Callable[[str, str, str], None] = lambda kind, name, sandbox: None

    def host_pid(self, pid: int) -> int:
        """The same process as the host counts it; 0 when it cannot be known."""
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            return 0
        try:
            path = f"{self.pid}/fdinfo/{handle}"
            with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._host_proc), encoding="ascii") as info:
                fields = dict(line.split(":", 1) for line in info if ":" in line)
            return max(0, int(fields.get("Pid", "0")))
        except (OSError, ValueError):
            return 0
        finally:
            os.close(handle)

    # -- the node itself ----------------------------------------------------------------------------------------

    def namespaces_of_node(self, request: dict[str, Any], answer: Answer) -> None:
        """Descriptors of the network and the mount namespace, for a client that joins."""
        answer.ok({}, os.dup(self.namespaces.own("net")), os.dup(self.namespaces.own("mnt")))

    def inventory(self, request: dict[str, Any], answer: Answer) -> None:
        containers = [container.record for container in self.containers.values()]
        answer.ok({"sandboxes": [*self.records.sandboxes.values()], "containers": containers})

    def stats(self, request: dict[str, Any], answer: Answer) -> None:
        """Of all running containers, and under the empty id of everything that ever ran in the node's group."""
        groups = {
            c.record["id"]: c.record["cgroup"] for c in self.containers.values() if c.record["state"] == "running"
        }
        found = []
        for name, group in {**groups, "": self.group}.items():
            cpu, memory = cgroups.cpu_seconds(self.cgroups, group), cgroups.memory_bytes(self.cgroups, group)
            found.append({"id": name, "cpu_seconds": cpu, "memory_bytes": memory})
        answer.ok(found)

    def listen(self, request: dict[str, Any], answer: Answer) -> None:
        """A listener on the host; it stays open here, so that a client's end refuses nobody."""
        address, port, protocol = request["address"], int(request["port"]), request["protocol"]
        key = f"{protocol}/{address}:{port}"
        if key not in self.listeners:
            self.listeners[key] = self.namespaces.listen_on_host(address, port, protocol)
        answer.ok({}, os.dup(self.listeners[key].fileno()))

    def unlisten(self, request: dict[str, Any], answer: Answer) -> None:
        key = f"{request['protocol']}/{request['address']}:{request['port']}"
        if listener := self.listeners.pop(key, None):
            if request["protocol"] == "tcp":
                listener.shutdown(socket.SHUT_RDWR)  # also where a client still holds a copy
            listener.close()
        answer.ok({})

    def listening(self, request: dict[str, Any], answer: Answer) -> None:
        answer.ok(sorted(self.listeners))

    def stop(self, request: dict[str, Any], answer: Answer) -> None:
        """End the node: the stop signal to every container, and the keeper's own end after `grace` seconds at most."""
        answer.ok({})
        alive = [c for c in self.containers.values() if c.record["state"] == "running"]
        left = [len(alive)]

        def one_less() -> None:
            left[0] -= 1
            if left[0] <= 0:
                self.loop.later(0.0, self.loop.stop)

        for container in alive:
            container.when_gone(one_less)
            container.kill(int(container.record["stop_signal"]))
        if not alive:
            one_less()
        self.loop.later(float(request["grace"]), self.loop.stop)

    # -- sandboxes ----------------------------------------------------------------------------------------------

    def create_sandbox(self, request: dict[str, Any], answer: Answer) -> None:
        """Namespaces `own` (of net, ipc, uts) are new, the others the node's. Answers with the network's descriptor."""
        name = request["id"]
        known = self.records.sandboxes.get(name)
        if known is None or not known["ready"]:
            self.namespaces.remove(name)
            own = [kind for kind in request["own"] if kind != PROCESSES]
            self.namespaces.create(name, own, request["hostname"], request.get("sysctls", {}))
            if PROCESSES in request["own"]:
                self._share_processes(name)
            record = {key: request[key] for key in ("id", "labels", "cgroup")}
            self._add_sandbox({**record, "ready": True, "created_at": now()})
            self.tell("sandbox", name, name)
        answer.ok({}, self.namespaces.open(name, "net"))

    def _share_processes(self, name: str) -> None:
        """The first process of the sandbox's own process namespace does nothing but live."""
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)

        def spawn() -> int:
            return self.processes.spawn(FIRST_PROCESS, {0: null, 1: null, 2: null}, lambda status: self._lost(name))

        try:
            self._first[name] = self.namespaces.create_processes(name, spawn)
        except OSError:
            self.namespaces.remove(name)
            raise
        finally:
            os.close(null)

    def _lost(self, name: str) -> None:
        """The first process has ended, and the kernel ended all others with it: no container can start any more."""
        record = self.records.sandboxes.get(name)
        if self._first.pop(name, 0) and record is not None:
            self.records.save_sandbox({**record, "ready": False})
            self.tell("sandbox", name, name)

    def _end_namespaces(self, name: str) -> None:
        if first := self._first.pop(name, 0):
            os.kill(first, signal.SIGKILL)
        self.namespaces.remove(name)

    def _add_sandbox(self, record: dict[str, Any]) -> None:
        try:
            self.records.add_sandbox(record)
        except OSError:
            self._end_namespaces(record["id"])
            raise

    def label_sandbox(self, request: dict[str, Any], answer: Answer) -> None:
        """Replace what a client keeps with the sandbox."""
        record = self._sandbox(request)
        self.records.save_sandbox({**record, "labels": request["labels"]})
        answer.ok({})

    def stop_sandbox(self, request: dict[str, Any], answer: Answer) -> None:
        """Kill its containers and let its namespaces go; what is known of it stays."""
        record = self._sandbox(request)
        containers = self._containers_of(record["id"])
        left = [len(containers)]

        def one_less() -> None:
            left[0] -= 1
            if left[0] <= 0:
                self._end_namespaces(record["id"])
                self.records.save_sandbox({**record, "ready": False})
                answer.ok({})

        for container in containers:
            container.end(one_less)
        if not containers:
            one_less()

    def remove_sandbox(self, request: dict[str, Any], answer: Answer) -> None:
        record = self.records.sandboxes.get(request["id"])
        if record is None:
            answer.ok({})
            return
        containers = self._containers_of(record["id"])
        left = [len(containers)]

        def one_less() -> None:
            left[0] -= 1
            if left[0] <= 0:
                self._forget_sandbox(record)
                answer.ok({})

        for container in containers:
            container.remove(one_less)
        if not containers:
            one_less()

    def _forget_sandbox(self, record: dict[str, Any]) -> None:
        self._end_namespaces(record["id"])
        if record["cgroup"]:
            cgroups.remove(self.cgroups, record["cgroup"])
        if record["id"] in self.records.sandboxes:
            self.records.forget_sandbox(record["id"])
            self.tell("sandbox", record["id"], record["id"])

    def socket_in_sandbox(self, request: dict[str, Any], answer: Answer) -> None:
        answer.ok({}, self.namespaces.socket_in(self._sandbox(request)["id"]).detach())

    # -- containers ---------------------------------------------------------------------------------------------

    def create_container(self, request: dict[str, Any], answer: Answer) -> None:
        if request["id"] in self.containers:
            raise ValueError(f"container {request['id']} exists already")
        self._sandbox({"id": request["sandbox"]})
        keys = ("id", "sandbox", "bundle", "runtime", "cgroup", "mounts", "tty", "stdin", "stdin_once", "log_path")
        record = {key: request[key] for key in (*keys, "labels", "stop_signal")}
        record.update(state="created", pid=0, host_pid=0, created_at=now(), started_at=0.0, finished_at=0.0)
        record.update(exit_code=0, signal=0, oom_killed=False, message="")
        container = Container(self, record)
        container.create()
        self.containers[record["id"]] = container
        answer.ok({"namespaces": self._paths(request["sandbox"])})

    def start_container(self, request: dict[str, Any], answer: Answer) -> None:
        container = self._container(request)
        if container.record["state"] != "created":
            raise ValueError(f"container {request['id']} is {container.record['state']}, not created")
        container.start(lambda: answer.ok({}), answer.error)

    def kill_container(self, request: dict[str, Any], answer: Answer) -> None:
        self._container(request).kill(int(request["signal"]))
        answer.ok({})

    def update_container(self, request: dict[str, Any], answer: Answer) -> None:
        """Other limits for a running container; its client's labels are replaced with them."""
        record = self._running(request)
        limits.change(self.cgroups, record["cgroup"], request["resources"])
        record["labels"] = request["labels"]
        self.records.save_container(record)
        answer.ok({})

    def container(self, request: dict[str, Any], answer: Answer) -> None:
        found = self.containers.get(request["id"])
        answer.ok(found.record if found else None)

    def wait_container(self, request: dict[str, Any], answer: Answer) -> None:
        """Answers `{"ended": true}` when it has ended, false after `seconds`."""
        told: list[bool] = []

        def tell(ended: bool) -> None:
            if not told:
                told.append(ended)
                timer.cancel()
                answer.ok({"ended": ended})

        timer = self.loop.later(float(request["seconds"]), lambda: tell(False))
        container = self.containers.get(request["id"])
        if container is None or container.record["state"] != "running":
            tell(True)
        else:
            container.when_ended(lambda: tell(True))

    def remove_container(self, request: dict[str, Any], answer: Answer) -> None:
        container = self.containers.get(request["id"])
        if container is None:
            answer.ok({})
        else:
            container.remove(lambda: answer.ok({}))

    def reopen_log(self, request: dict[str, Any], answer: Answer) -> None:
        self._container(request).reopen_log()
        answer.ok({})

    def attach(self, request: dict[str, Any], answer: Answer) -> None:
        answer.ok({}, self._container(request).attach(request).detach())

    def exec(self, request: dict[str, Any], answer: Answer) -> None:
        self.execs.session(self._running(request), request, lambda end: answer.ok({}, end.detach()), answer.error)

    def exec_sync(self, request: dict[str, Any], answer: Answer) -> None:
        def reply(code: int, output: bytes, late: bool) -> None:
            answer.ok(
                {"exit_code": code, "output": binascii.b2a_base64(output, newline=False).decode(), "timed_out": late}
            )

        self.execs.collect(self._running(request), request, reply, answer.error)

    def sandbox_paths(self, request: dict[str, Any], answer: Answer) -> None:
        """Where a runtime finds the sandbox's namespaces."""
        answer.ok(self._paths(self._sandbox(request)["id"]))

    def _paths(self, sandbox: str) -> dict[str, str]:
        kinds = ("net", "ipc", "uts", "shm", *((PROCESSES,) if self.namespaces.shares_processes(sandbox) else ()))
        return {kind: self.namespaces.path(sandbox, kind) for kind in kinds}

    def _sandbox(self, request: dict[str, Any]) -> dict[str, Any]:
        record = self.records.sandboxes.get(request["id"])
        if record is None:
            raise ValueError(f"no sandbox {request['id']}")
        return record

    def _container(self, request: dict[str, Any]) -> Container:
        container = self.containers.get(request["id"])
        if container is None:
            raise ValueError(f"no container {request['id']}")
        return container

    def _running(self, request: dict[str, Any]) -> dict[str, Any]:
        record = self._container(request).record
        if record["state"] != "running":
            raise ValueError(f"container {request['id']} is not running")
        return record

    def _containers_of(self, sandbox: str) -> list[Container]:
        return [container for container in self.containers.values() if container.record["sandbox"] == sandbox]
