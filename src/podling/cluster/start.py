"""`podling start`, as a list of steps; on a cluster of which a part has died, only what is missing.

`bringup.py` does it. What it started is undone when a later step fails or the user interrupts: a new cluster is
removed, one that existed is stopped again, new nodes of a running one go.
"""

from __future__ import annotations

import contextlib
import shutil
from contextlib import ExitStack
from dataclasses import dataclass

import msgspec

from podling.env import Env
from podling.keeper.launch import KeeperError

from . import credentials, kubeconfigs
from .audit import AuditWish
from .audit import keep as keep_audit
from .bringup import Missing, bring_up
from .doctor import check_machine
from .interrupts import Interrupts
from .launch import LaunchError
from .paths import ClusterPaths
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


def start(
    paths: ClusterPaths, wishes: Wishes, env: Env, steps: Steps, interrupts: Interrupts, arguments: list[str]
) -> ClusterSpec | None:
    """Bring up what is missing; None where all is running already. Raises StartError, SpecError, KeyboardInterrupt.

    To be called inside `interrupts.deferred()`: what is done with the answer belongs into that block, too.
    """
    try:
        trial = load(paths) or ClusterSpec(name=paths.name, number=0)
        _refuse_unfit(wishes.of(trial), arguments)
        fresh = not paths.root.is_dir() or not any(paths.root.iterdir())
        with locked(paths.root):
            try:
                return _start(paths, wishes, env, steps, interrupts)
            finally:
                if fresh and not paths.directory.exists():
                    shutil.rmtree(paths.root, ignore_errors=True)
    except (LaunchError, KeeperError, OSError) as error:
        interrupts.check()  # Ctrl-C may meet a child of ours, too, before it is in a session of its own
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
            bring_up(paths, spec, env, steps, interrupts)
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
