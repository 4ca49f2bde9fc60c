"""`podling start`, as a list of steps; on a cluster of which a part has died, only what is missing.

Server and node process load their modules while this one prepares keys and the keeper; they begin when told so. What
was started is undone when a later step fails or the user interrupts: a new cluster is removed, one that existed is
stopped again.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from podling.env import Env
from podling.keeper.launch import KeeperError, find_keeper, start_keeper

from . import credentials, kubeconfigs
from .doctor import check_machine
from .interrupts import Interrupts
from .launch import Launch, LaunchError
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
from .stop import end_processes, remove

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
    fake_nodes: int | None = None
    tokens: str | None = None
    """Bearer tokens and their users, as `registry/statictokens.py` reads them."""

    def of(self, spec: ClusterSpec) -> ClusterSpec:
        given = {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}
        count = given.pop("fake_nodes", None)
        given.pop("tokens", None)
        wished = msgspec.structs.replace(spec, **given)
        return wished if count is None else wished.with_fake_nodes(count)


class StartError(Exception):
    """The cluster did not start, and nothing of this attempt is left; the message is for the user."""


class Missing(msgspec.Struct, frozen=True):
    """Which parts of a cluster do not run."""

    server: bool
    keeper: bool
    node: bool

    @classmethod
    def of(cls, paths: ClusterPaths, spec: ClusterSpec) -> Missing:
        node = paths.node(spec.node_name)
        server = Process.load(paths.server_pid) is None
        if spec.simulated:
            return cls(server, False, False)
        keeper = find_keeper(node.directory) is None
        # A node process whose keeper has gone stands in namespaces that nobody else is in.
        return cls(server, keeper, keeper or Process.load(node.pid) is None)

    def everything(self, spec: ClusterSpec) -> bool:
        """Nothing runs, so nothing that ran before can be hurt by an undo."""
        return self.server and (spec.simulated or (self.keeper and self.node))

    def __bool__(self) -> bool:
        return self.server or self.keeper or self.node


def start(paths: ClusterPaths, wishes: Wishes, env: Env, steps: Steps, arguments: list[str]) -> ClusterSpec | None:
    """Bring the cluster up; None where it is running already. Raises StartError, SpecError, KeyboardInterrupt."""
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
    if known and not Missing.of(paths, known):
        return None
    down = known is None or Missing.of(paths, known).everything(known)
    with ExitStack() as claims:
        spec = wishes.of(known or ClusterSpec(name=paths.name, number=0, owner=_owner()))
        if down:
            number = claims.enter_context(claimed_number(paths.root, paths.name, known.number if known else None))
            spec = msgspec.structs.replace(spec, number=number)
        try:
            save(paths, spec)
            if wishes.tokens is not None:
                credentials.keep_tokens(paths, wishes.tokens)
            if known and known.number != spec.number:
                credentials.forget_addresses(paths)
                steps.note(f"{known.api_address} is taken by now: the cluster moves to {spec.api_address}")
            _bring_up(paths, spec, env, steps, interrupts)
        except BaseException:
            # Whatever ended the start (Ctrl-C too): nothing of it may be left.
            if down:
                _undo(paths, spec, known is None)
            raise
    return spec


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
    node_paths = paths.node(spec.node_name)
    if missing.node and (abandoned := Process.load(node_paths.pid)):
        abandoned.end(grace=2.0)
    server = _launch("podling.cluster.server", common, paths.server_log, paths.server_pid) if missing.server else None
    node = _launch("podling.cluster.node", common, node_paths.log, node_paths.pid) if missing.node else None
    credentials.ensure(paths, spec, env.now())
    _hand_over(paths, spec)
    steps.done("keys and certificates")
    interrupts.check()
    if server:
        server.go()
    if missing.keeper:
        keeper = start_keeper(node_paths.directory, cluster=spec.name, node=spec.node_name)
        steps.done(f"node namespaces held by the keeper (pid {keeper.pid})")
    if node:
        node.go()
    for launched in (server, node):
        if launched:
            with interrupts.heard():
                launched.wait(START_SECONDS, env.monotonic, steps.done)
    file = kubeconfigs.merge_into_user_file(paths.kubeconfig)
    steps.done(f'context "{spec.name}" in {file}')
    interrupts.check()


def _launch(module: str, arguments: list[str], log: Path, pid: Path) -> Launch:
    launched = Launch(module, arguments, log)
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


def _undo(paths: ClusterPaths, spec: ClusterSpec, fresh: bool) -> None:
    end_processes(paths, spec, grace=2.0)
    if fresh:
        kubeconfigs.remove_from_user_file(spec.name)
        remove(paths)
