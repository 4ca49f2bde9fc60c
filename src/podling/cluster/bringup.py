"""Starting what is missing of a cluster: server, keepers, the cables between nodes, node processes.

Server and node processes load their modules while this one prepares keys and keepers; they begin when told so. What
fails half way is left to the caller, who knows what to undo.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from podling.env import Env
from podling.keeper.launch import KeeperHandle, find_keeper, start_keeper

from . import credentials, kubeconfigs
from .fabric import weave
from .interrupts import Interrupts
from .launch import Launch, LaunchError
from .nodespec import NodeSpec
from .paths import ClusterPaths
from .process import Process
from .spec import ClusterSpec
from .steps import Steps
from .stop import end_node_process

START_SECONDS = 60.0
"""How long a process may take to report; an overloaded machine is slow, not broken."""


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


def bring_up(paths: ClusterPaths, spec: ClusterSpec, env: Env, steps: Steps, interrupts: Interrupts) -> None:
    missing = Missing.of(paths, spec)
    common = ["--root", str(paths.root), "--name", paths.name]
    for node in missing.nodes:
        end_node_process(paths.node(node.name), grace=2.0)  # one without a keeper, or between two lives
    server = _launch("podling.cluster.server", common, paths.server_log, paths.server_pid) if missing.server else None
    nodes = _launch_nodes(paths, missing.nodes, common)
    try:
        _prepare(paths, spec, missing, env, steps, interrupts, server)
        _begin(paths, server, nodes, env, steps, interrupts)
    except BaseException:
        # Whatever it was (Ctrl-C too): whoever waits for a word that will not come shall not outlive us.
        for launched in nodes.values():
            launched.abandon(START_SECONDS, env.monotonic)
        raise


def _prepare(
    paths: ClusterPaths,
    spec: ClusterSpec,
    missing: Missing,
    env: Env,
    steps: Steps,
    interrupts: Interrupts,
    server: Launch | None,
) -> None:
    """What node processes need; the server begins as soon as it can."""
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


def _begin(
    paths: ClusterPaths,
    server: Launch | None,
    nodes: Mapping[str, Launch],
    env: Env,
    steps: Steps,
    interrupts: Interrupts,
) -> None:
    wardens: dict[str, Process] = {}
    for name, launched in nodes.items():
        with interrupts.heard():
            process, warden = launched.born(START_SECONDS, env.monotonic)
        if process:
            process.save(paths.node(name).pid)
        if warden:
            wardens[name] = warden
    for launched in nodes.values():
        launched.go()
    told = Once(steps.done)
    for launched in (*([server] if server else ()), *nodes.values()):
        with interrupts.heard():
            launched.wait(START_SECONDS, env.monotonic, told)
    for name, warden in wardens.items():
        warden.save(paths.node(name).warden_pid)  # from now on it starts the node process again
    file = kubeconfigs.merge_into_user_file(paths.kubeconfig)
    steps.done(f'context "{paths.name}" in {file}')
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
        return start_keeper(paths.node(node.name).directory, cluster=paths.group, node=node.name)

    with ThreadPoolExecutor(len(nodes)) as starting:
        pids = ", ".join(str(keeper.pid) for keeper in starting.map(start, nodes))
    if len(nodes) == 1:
        return f"node namespaces held by the keeper (pid {pids})"
    return f"namespaces of {len(nodes)} nodes held by keepers (pids {pids})"


def _launch_nodes(paths: ClusterPaths, nodes: Sequence[NodeSpec], common: list[str]) -> dict[str, Launch]:
    """Node name → what will be its process, from one that loads for all."""
    if not nodes:
        return {}
    return Launch.together("podling.cluster.nursery", common, {n.name: paths.node(n.name).log for n in nodes})


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
