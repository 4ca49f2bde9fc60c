"""Ending a cluster: in order, or after a crash from names alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from podling.keeper.launch import clean_up, stop_keeper

from . import kubeconfigs
from .nodespec import MOST_NODES
from .paths import ClusterPaths, NodePaths
from .process import Process
from .spec import ClusterSpec, SpecError, load, locked, names

POD_SECONDS = 2.0
"""What Pods get between SIGTERM and SIGKILL when the whole cluster stops."""
PROCESS_SECONDS = 5.0


def stop(paths: ClusterPaths) -> bool:
    """End everything and keep the objects; False where nothing was running."""
    with locked(paths.root):
        spec = load(paths)
        if spec is None:
            return False
        was = Process.load(paths.server_pid) is not None
        end_processes(paths, spec, PROCESS_SECONDS)
        return was


def delete(paths: ClusterPaths) -> bool:
    """Leave nothing: no process, namespace, cgroup, file or context. False where there was no such cluster."""
    with locked(paths.root):
        known = paths.directory.exists()
        spec = _spec_or_guess(paths)
        end_processes(paths, spec, PROCESS_SECONDS)
        remove(paths)
        kubeconfigs.remove_from_user_file(paths.name)
        last = known and not names(paths.root)
    if last:
        shutil.rmtree(paths.root, ignore_errors=True)
    return known


def end_processes(paths: ClusterPaths, spec: ClusterSpec, grace: float) -> None:
    """Server first, so that no controller answers what follows; then the nodes, side by side."""
    if process := Process.load(paths.server_pid):
        process.end(grace)
    paths.server_pid.unlink(missing_ok=True)
    # By folder too: a node that no spec names (it was damaged, or its deletion was interrupted) must not be left.
    end_nodes(paths, spec, dict.fromkeys((*(node.name for node in spec.nodes), *paths.node_names())), grace)


def end_nodes(paths: ClusterPaths, spec: ClusterSpec, names: Iterable[str], grace: float) -> None:
    """The node processes first, so that nobody brings back what ends; the keepers end the Pods."""
    with ThreadPoolExecutor(MOST_NODES) as nodes:
        for ended in [nodes.submit(_end_node, paths, spec, name, grace) for name in names]:
            ended.result()


def _end_node(paths: ClusterPaths, spec: ClusterSpec, name: str, grace: float) -> None:
    node = paths.node(name)
    end_node_process(node, grace)
    if not spec.simulated:
        stop_keeper(node.directory, POD_SECONDS)
        clean_up(paths.group, name)


def end_node_process(node: NodePaths, grace: float) -> None:
    """Its warden first, which may have started it again a moment ago."""
    for file in (node.warden_pid, node.pid):
        if process := Process.load(file):
            process.end(grace)
        file.unlink(missing_ok=True)


def remove(paths: ClusterPaths) -> None:
    """The cluster's files; its processes have ended."""
    if paths.directory.exists():
        shutil.rmtree(paths.directory)


def remove_node(paths: ClusterPaths, name: str) -> None:
    """A node's files, its volumes among them; its processes have ended."""
    shutil.rmtree(paths.node(name).directory, ignore_errors=True)


def _spec_or_guess(paths: ClusterPaths) -> ClusterSpec:
    """A damaged or missing spec must not keep anybody from cleaning up: names alone are enough."""
    try:
        return load(paths) or ClusterSpec(name=paths.name, number=0)
    except SpecError:
        return ClusterSpec(name=paths.name, number=0)
