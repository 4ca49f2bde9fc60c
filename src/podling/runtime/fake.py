"""The simulated runtime: containers go through declared stages and no process ever runs.

For learning without root, for scale tests, and for running the real kubelet on virtual time. It never pretends: its
name and version say "fake", `simulated` is True so that Pods and nodes say so too, and whatever would need a process
(exec, attach, logs, port-forward) is refused with a message that says why. How long each stage takes and how a
container ends is declared per image as a `Course`.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from typing import Literal, NoReturn

import msgspec

from podling.env import Env
from podling.runtime.images.names import InvalidName, parse
from podling.runtime.interface import (
    Container,
    ContainerConfig,
    ContainerEvent,
    ExecResult,
    Image,
    Resources,
    RuntimeFailure,
    Sandbox,
    SandboxConfig,
    Stats,
)

SIGTERM, SIGKILL = 15, 9
REFUSAL = "this Pod is simulated (runtime fake): no process runs in its containers, so there is nothing to {}"


class Ending(msgspec.Struct, frozen=True):
    """How one run of a container ends by itself: after so many seconds, with this exit code."""

    after: float
    exit_code: int = 0
    oom_killed: bool = False


class Course(msgspec.Struct, frozen=True):
    """The stages of the containers of one image; all times in seconds."""

    pull: float = 0.1
    create: float = 0.005
    start: float = 0.03
    stop: float = 0.02
    """From SIGTERM to the end; longer than the grace period means SIGKILL."""
    endings: tuple[Ending, ...] = ()
    """Of its first run, its second …; where there is none (any more) it runs for ever."""
    pull_failure: str = ""
    start_failure: str = ""
    exec_exit_code: int | None = None
    """What `exec_sync` (an exec probe) answers; None refuses."""
    written: int = 0
    """Bytes that a container is said to have written."""


class _Held:
    """A container with what the simulation needs of it beside what is told."""

    def __init__(self, told: Container, course: Course) -> None:
        self.told, self.course = told, course
        self.timer: asyncio.TimerHandle | None = None
        self.ended = asyncio.Event()


class FakeRuntime:
    """See `runtime.interface.Runtime`. `courses` by normalised image name; `sandbox` seconds to make a sandbox."""

    name = "fake"
    version = "simulated"
    simulated = True

    def __init__(
        self,
        env: Env,
        *,
        pods: str = "10.244.0.0/24",
        node_ip: str = "127.0.0.1",
        courses: Mapping[str, Course] | None = None,
        default: Course | None = None,
        sandbox: float = 0.01,
    ) -> None:
        self._env, self._node_ip, self._sandbox_delay = env, node_ip, sandbox
        self._courses, self._default = dict(courses or {}), default or Course()
        self._addresses = [str(address) for address in IPv4Network(pods).hosts()][1:]
        self._taken: dict[str, str] = {}
        self._sandboxes: dict[str, Sandbox] = {}
        self._containers: dict[str, _Held] = {}
        self._images: dict[str, Image] = {}
        self._runs: dict[tuple[str, str], int] = {}
        self._subscribers: dict[asyncio.Queue[ContainerEvent], None] = {}

    async def list(self) -> tuple[tuple[Sandbox, ...], tuple[Container, ...]]:
        return tuple(self._sandboxes.values()), tuple(held.told for held in self._containers.values())

    def running(self) -> set[str]:
        """Namespace/name of every Pod of which a container runs, for whoever watches a simulation."""
        sandboxes = {held.told.sandbox for held in self._containers.values() if held.told.state == "running"}
        return {f"{each.namespace}/{each.name}" for each in self._sandboxes.values() if each.id in sandboxes}

    async def run_sandbox(self, config: SandboxConfig) -> Sandbox:
        known = self._sandboxes.get(config.id)
        if known is not None and known.ready:
            return known
        await self._env.sleep(self._sandbox_delay)
        ip = self._node_ip if config.host_network else self._address(config.id)
        sandbox = Sandbox(config.id, config.pod_uid, config.namespace, config.name, ip, True, config.labels)
        self._sandboxes[config.id] = sandbox
        self._tell("sandbox", config.id, config.id)
        return sandbox

    async def stop_sandbox(self, sandbox: str) -> None:
        for held in self._in_sandbox(sandbox):
            self._end(held, 128 + SIGKILL, SIGKILL)
        known = self._sandboxes.get(sandbox)
        if known is not None and known.ready:
            self._taken.pop(known.ip, None)
            self._sandboxes[sandbox] = msgspec.structs.replace(known, ready=False, ip="")
            self._tell("sandbox", sandbox, sandbox)

    async def remove_sandbox(self, sandbox: str) -> None:
        await self.stop_sandbox(sandbox)
        for held in self._in_sandbox(sandbox):
            await self.remove_container(held.told.id)
        if self._sandboxes.pop(sandbox, None) is not None:
            self._tell("removed", sandbox, sandbox)

    async def create_container(self, sandbox: str, config: ContainerConfig) -> None:
        if config.id in self._containers:
            return
        if sandbox not in self._sandboxes:
            raise RuntimeFailure(f"sandbox {sandbox} does not exist", "CreateContainerError")
        image = self._images.get(config.image)
        if image is None:
            raise RuntimeFailure(f"image {config.image} does not exist", "CreateContainerError")
        course = self._course(image.names[0])
        await self._env.sleep(course.create)
        told = Container(
            id=config.id,
            sandbox=sandbox,
            name=config.name,
            state="created",
            image=config.image,
            labels=config.labels,
            created_at=self._env.now(),
            log_path=config.log_path,
        )
        self._containers[config.id] = _Held(told, course)

    async def start_container(self, container: str) -> None:
        held = self._known(container)
        if held.told.state != "created":
            return
        await self._env.sleep(held.course.start)
        now = self._env.now()
        if held.course.start_failure:
            message = held.course.start_failure
            held.told = msgspec.structs.replace(
                held.told, state="exited", finished_at=now, exit_code=128, message=message
            )
            held.ended.set()
            self._tell("exited", container, held.told.sandbox)
            raise RuntimeFailure(message)
        held.told = msgspec.structs.replace(held.told, state="running", started_at=now)
        self._tell("started", container, held.told.sandbox)
        self._plan_ending(held)

    async def update_container(self, container: str, resources: Resources, labels: Mapping[str, str]) -> None:
        held = self._known(container)
        held.told = msgspec.structs.replace(held.told, labels=labels)

    async def stop_container(self, container: str, grace: float) -> None:
        held = self._containers.get(container)
        if held is None:
            return
        if held.told.state == "running":
            obeys = held.course.stop <= grace
            await self._env.sleep(min(held.course.stop, max(grace, 0.0)))
            signal = SIGTERM if obeys else SIGKILL
            self._end(held, 128 + signal, signal)
        elif held.told.state == "created":
            self._end(held, 128 + SIGKILL, SIGKILL)
        await held.ended.wait()

    async def remove_container(self, container: str) -> None:
        held = self._containers.get(container)
        if held is None:
            return
        self._end(held, 128 + SIGKILL, SIGKILL)
        del self._containers[container]
        self._tell("removed", container, held.told.sandbox)

    async def container(self, container: str) -> Container | None:
        held = self._containers.get(container)
        return None if held is None else held.told

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[ContainerEvent]]:
        queue: asyncio.Queue[ContainerEvent] = asyncio.Queue()
        self._subscribers[queue] = None
        try:
            yield _drain(queue)
        finally:
            del self._subscribers[queue]

    async def exec_sync(self, container: str, command: tuple[str, ...], timeout: float) -> ExecResult:
        exit_code = self._known(container).course.exec_exit_code
        if exit_code is None:
            _refuse("execute")
        return ExecResult(exit_code, b"")

    async def exec(
        self,
        container: str,
        command: tuple[str, ...],
        *,
        tty: bool = False,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
    ) -> socket.socket:
        _refuse("execute")

    async def attach(
        self, container: str, *, stdin: bool = False, stdout: bool = True, stderr: bool = True
    ) -> socket.socket:
        _refuse("attach to")

    async def connect(self, sandbox: str, port: int) -> socket.socket:
        raise ConnectionRefusedError(REFUSAL.format("connect to"))

    async def reopen_log(self, container: str) -> None:
        """There is no log."""

    async def stats(self) -> tuple[Stats, ...]:
        """Nothing runs, so nothing is used."""
        return tuple(Stats(each.told.id, 0.0, 0) for each in self._containers.values() if each.told.state == "running")

    async def written(self, container: str) -> int:
        held = self._containers.get(container)
        return held.course.written if held is not None else 0

    async def ensure_image(
        self, image: str, policy: Literal["Always", "IfNotPresent", "Never"], logins: tuple[str, ...] = ()
    ) -> Image:
        try:
            name = str(parse(image))
        except InvalidName as error:
            raise RuntimeFailure(f'Failed to apply default image tag "{image}": {error}', "InvalidImageName") from error
        identity = f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
        if identity in self._images:
            return self._images[identity]
        if policy == "Never":
            text = f'Container image "{image}" is not present with pull policy of Never'
            raise RuntimeFailure(text, "ErrImageNeverPull")
        course = self._course(name)
        await self._env.sleep(course.pull)
        if course.pull_failure:
            raise RuntimeFailure(course.pull_failure, "ErrImagePull")
        self._images[identity] = Image(identity, (name,))
        return self._images[identity]

    async def images(self) -> tuple[Image, ...]:
        return tuple(self._images.values())

    async def remove_image(self, image: str) -> None:
        if any(each.told.image == image for each in self._containers.values()):
            raise RuntimeFailure(f"image {image} is in use")
        self._images.pop(image, None)

    async def mount_image(self, image: str, target: str, user: str) -> None:
        """There are no files."""

    def _course(self, name: str) -> Course:
        return self._courses.get(name, self._default)

    def _known(self, container: str) -> _Held:
        held = self._containers.get(container)
        if held is None:
            raise RuntimeFailure(f"container {container} does not exist")
        return held

    def _in_sandbox(self, sandbox: str) -> tuple[_Held, ...]:
        return tuple(held for held in self._containers.values() if held.told.sandbox == sandbox)

    def _address(self, sandbox: str) -> str:
        free = next((address for address in self._addresses if address not in self._taken), None)
        if free is None:
            raise RuntimeFailure("no free Pod address on this node", "CreatePodSandboxError")
        self._taken[free] = sandbox
        return free

    def _plan_ending(self, held: _Held) -> None:
        identity = (held.told.sandbox, held.told.name)
        run = self._runs.get(identity, 0)
        self._runs[identity] = run + 1
        if run < len(held.course.endings):
            ending = held.course.endings[run]
            loop = asyncio.get_running_loop()
            held.timer = loop.call_later(ending.after, self._end, held, ending.exit_code, 0, ending.oom_killed)

    def _end(self, held: _Held, exit_code: int, signal: int, oom_killed: bool = False) -> None:
        if held.told.state == "exited":
            return
        if held.timer is not None:
            held.timer.cancel()
        held.told = msgspec.structs.replace(
            held.told,
            state="exited",
            finished_at=self._env.now(),
            exit_code=exit_code,
            signal=signal,
            oom_killed=oom_killed,
        )
        held.ended.set()
        self._tell("exited", held.told.id, held.told.sandbox)

    def _tell(self, kind: Literal["started", "exited", "removed", "sandbox"], id: str, sandbox: str) -> None:
        for queue in self._subscribers:
            queue.put_nowait(ContainerEvent(kind, id, sandbox))


async def _drain(queue: asyncio.Queue[ContainerEvent]) -> AsyncIterator[ContainerEvent]:
    while True:
        yield await queue.get()


def _refuse(what: str) -> NoReturn:
    raise RuntimeFailure(REFUSAL.format(what), "Simulated")
