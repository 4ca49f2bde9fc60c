"""`podling start`, as a list of steps; on a cluster of which a part has died, only what is missing.

Server and node processes load their modules while this one prepares keys and keepers; they begin when told so. What
was started is undone when a later step fails or the user interrupts: a new cluster is removed, one that existed is
stopped again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from podling.env import Env
from podling.keeper.launch import KeeperError, KeeperHandle, find_keeper, start_keeper

from . import credentials, kubeconfigs
from .audit import AuditWish
from .audit import keep as keep_audit
from .doctor import check_machine
from .fabric import weave
from .interrupts import Interrupts
from .launch import Launch, LaunchError
from .nodespec import NodeSpec
from .paths import ClusterPaths
from .process import Process
from .spec import (
    AuthorizationName,
    ClusterSpec,
    ProfileName,
    ProxyMode,
    RuntimeName,
    StoreName,
    claimed_number,
    load,
    locked,
    save,
)
from .steps import Steps
from .stop import end_nodes, end_processes, remove, remove_node

START_SECONDS = 60.0
"""How long a process may take to report; an overloaded machine is slow, not broken."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks for; None means: as it is, or the default of a new cluster."""

    proxy_mode: ProxyMode | None = None
    runtime: RuntimeName | None = None
    store: StoreName | None = None
    profile: ProfileName | None = None
    authorization: AuthorizationName | None = None
    nodes: int | None = None
    """So many of the cluster's own."""
    fake_nodes: int | None = None
    tokens: str | None = None
    """Bearer tokens and their users, as `registry/statictokens.py` reads them."""
    audit: AuditWish | None = None

    def of(self, spec: ClusterSpec) -> ClusterSpec:
        given = {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}
        count = given.pop("fake_nodes", None)
        nodes = given.pop("nodes", None)
        given.pop("tokens", None)
        given.pop("audit", None)
        wished = msgspec.structs.replace(spec, **given)
        wished = wished if nodes is None else wished.with_nodes(nodes)
        return wished if count is None else wished.with_fake_nodes(count)

    def of_running(self, spec: ClusterSpec) -> ClusterSpec:
        """What can be had without ending anything: more nodes."""
        return spec if self.nodes is None else spec.with_nodes(self.nodes)


class StartError(Exception):
    """The cluster did not start, and nothing of this attempt is left; the message is for the user."""


class Missing(msgspec.Struct, frozen=True):
    """Which parts of a cluster do not run: the server, keepers and node processes by their node."""

    server: bool
    keepers: tuple[NodeSpec, ...] = ()
    nodes: tuple[NodeSpec, ...] = ()

    @classmethod
    def of(cls, paths: ClusterPaths, spec: ClusterSpec) -> Missing:
        server = Process.load(paths.server_pid) is None
        if spec.simulated:
            return cls(server)
        keepers = tuple(node for node in spec.nodes if find_keeper(paths.node(node.name).directory) is None)
        # A node process whose keeper has gone stands in namespaces that nobody else is in.
        dead = (node for node in spec.nodes if node in keepers or Process.load(paths.node(node.name).pid) is None)
        return cls(server, keepers, tuple(dead))

    def everything(self, spec: ClusterSpec) -> bool:
        """Nothing runs, so nothing that ran before can be hurt by an undo."""
        return self.server and (spec.simulated or len(self.keepers) == len(self.nodes) == len(spec.nodes))

    def __bool__(self) -> bool:
        return bool(self.server or self.keepers or self.nodes)


def start(paths: ClusterPaths, wishes: Wishes, env: Env, steps: Steps, arguments: list[str]) -> ClusterSpec | None:
    """Bring up what is missing; None where all is running already. Raises StartError, SpecError, KeyboardInterrupt."""
    interrupts = Interrupts()
    try:
        trial = load(paths) or ClusterSpec(name=paths.name, number=0)
        _refuse_unfit(wishes.of(trial), arguments)
        fresh = not paths.root.is_dir() or not any(paths.root.iterdir())
        with interrupts.deferred(), locked(paths.root):
            try:
                return _start(paths, wishes, env, steps, interrupts)
            finally:
                if fresh and not paths.directory.exists():
                    shutil.rmtree(paths.root, ignore_errors=True)
    except (LaunchError, KeeperError, OSError) as error:
        raise StartError(_explain(error, paths)) from error


def _start(paths: ClusterPaths, wishes: Wishes, env: Env, steps: Steps, interrupts: Interrupts) -> ClusterSpec | None:
    known = load(paths)
    if known and not Missing.of(paths, known) and wishes.of_running(known) == known:
        return None
    down = known is None or Missing.of(paths, known).everything(known)
    with ExitStack() as claims:
        spec = _wished(paths, wishes, known)
        if down:
            number = claims.enter_context(claimed_number(paths.root, paths.name, known.number if known else None))
            spec = msgspec.structs.replace(spec, number=number)
        try:
            save(paths, spec)
            if wishes.tokens is not None:
                credentials.keep_tokens(paths, wishes.tokens)
            if wishes.audit is not None:
                keep_audit(paths, wishes.audit)
            if known and known.number != spec.number:
                credentials.forget_addresses(paths)
                steps.note(f"{known.api_address} is taken by now: the cluster moves to {spec.api_address}")
            _bring_up(paths, spec, env, steps, interrupts)
        except BaseException:
            # Whatever ended the start (Ctrl-C too): nothing of it may be left.
            if down:
                _undo(paths, spec, known is None)
            elif known:
                _take_back(paths, spec, known)
            raise
    return spec


def _wished(paths: ClusterPaths, wishes: Wishes, known: ClusterSpec | None) -> ClusterSpec:
    """What the cluster shall be; one of which everything runs only grows."""
    if known and not Missing.of(paths, known):
        return wishes.of_running(known)
    return wishes.of(known or ClusterSpec(name=paths.name, number=0, owner=_owner()))


def _refuse_unfit(spec: ClusterSpec, arguments: list[str]) -> None:
    for check in check_machine(spec, arguments):
        if check.level == "missing":
            raise StartError(f"{check.detail}\n  {check.mend}")


def _owner() -> int:
    """Whom the server becomes before it listens: the user behind sudo, else it stays who it is."""
    return kubeconfigs.invoking_user()[0]


def _explain(error: BaseException, paths: ClusterPaths) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename or paths.root}"
    return str(error)


def _bring_up(paths: ClusterPaths, spec: ClusterSpec, env: Env, steps: Steps, interrupts: Interrupts) -> None:
    missing = Missing.of(paths, spec)
    common = ["--root", str(paths.root), "--name", paths.name]
    for node in missing.nodes:
        if abandoned := Process.load(paths.node(node.name).pid):
            abandoned.end(grace=2.0)
    server = _launch("podling.cluster.server", common, paths.server_log, paths.server_pid) if missing.server else None
    nodes = _launch_nodes(paths, missing.nodes, common)
    credentials.ensure(paths, spec, env.now())
    _hand_over(paths, spec)
    steps.done("keys and certificates")
    interrupts.check()
    if server:
        server.go()
    if missing.keepers:
        steps.done(_start_keepers(paths, missing.keepers))
    if len(spec.nodes) > 1:
        weave(paths, spec)
        steps.done(f"network between {len(spec.nodes)} nodes")
    if missing.keepers and not server:
        _announce(paths, spec)
    for name, launched in nodes.items():
        with interrupts.heard():
            process = launched.born(START_SECONDS, env.monotonic)
        if process:
            process.save(paths.node(name).pid)
    for launched in nodes.values():
        launched.go()
    told = Once(steps.done)
    for launched in (*([server] if server else ()), *nodes.values()):
        with interrupts.heard():
            launched.wait(START_SECONDS, env.monotonic, told)
    file = kubeconfigs.merge_into_user_file(paths.kubeconfig)
    steps.done(f'context "{spec.name}" in {file}')
    interrupts.check()


def _announce(paths: ClusterPaths, spec: ClusterSpec) -> None:
    """Tell a server that runs already where its nodes are; one that begins reads it from the spec."""
    from .nodes import NodesError, announce  # 30 ms that only this way pays

    try:
        announce(paths, spec)
    except NodesError as error:
        raise LaunchError(str(error)) from error


class Once:
    """Says a sentence once, for several nodes say the same of the cluster."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: set[str] = set()

    def __call__(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)


def _start_keepers(paths: ClusterPaths, nodes: Sequence[NodeSpec]) -> str:
    """All side by side; what was done, in words. Raises KeeperError when all have started or failed."""

    def start(node: NodeSpec) -> KeeperHandle:
        return start_keeper(paths.node(node.name).directory, cluster=node.cluster, node=node.name)

    with ThreadPoolExecutor(len(nodes)) as starting:
        pids = ", ".join(str(keeper.pid) for keeper in starting.map(start, nodes))
    if len(nodes) == 1:
        return f"node namespaces held by the keeper (pid {pids})"
    return f"namespaces of {len(nodes)} nodes held by keepers (pids {pids})"


def _launch_nodes(paths: ClusterPaths, nodes: Sequence[NodeSpec], common: list[str]) -> dict[str, Launch]:
    """Node name → its process, or what will be. One begins at once; several have a process that loads for all."""
    if len(nodes) > 1:
        return Launch.together("podling.cluster.nursery", common, {n.name: paths.node(n.name).log for n in nodes})
    files = {node.name: paths.node(node.name) for node in nodes}
    return {
        name: _launch("podling.cluster.node", [*common, "--node", name], found.log, found.pid)
        for name, found in files.items()
    }


def _launch(module: str, arguments: list[str], log: Path, pid: Path) -> Launch:
    launched = Launch.alone(module, arguments, log)
    if process := launched.process:
        process.save(pid)
    return launched


def _hand_over(paths: ClusterPaths, spec: ClusterSpec) -> None:
    """What the server reads and writes belongs to the user it becomes."""
    if os.geteuid() != 0 or spec.owner == 0:
        return
    for folder, _, files in os.walk(paths.server):
        os.chown(folder, spec.owner, -1)
        for file in files:
            os.chown(os.path.join(folder, file), spec.owner, -1)
    os.chown(paths.kubeconfig, spec.owner, -1)


def _take_back(paths: ClusterPaths, spec: ClusterSpec, known: ClusterSpec) -> None:
    """The nodes that were to be new go again; whatever ran before was not touched."""
    new = [node.name for node in spec.nodes if node.number not in known.numbers]
    if new:
        from .nodes import NodesError, announce, forget

        end_nodes(paths, spec, new, grace=2.0)
        with contextlib.suppress(NodesError):  # the server may be what fails
            announce(paths, known)
            forget(paths, known, new)
        for name in new:
            remove_node(paths, name)
        save(paths, known)


def _undo(paths: ClusterPaths, spec: ClusterSpec, fresh: bool) -> None:
    end_processes(paths, spec, grace=2.0)
    if fresh:
        kubeconfigs.remove_from_user_file(spec.name)
        remove(paths)
