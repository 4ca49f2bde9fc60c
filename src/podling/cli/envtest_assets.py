"""`podling envtest-assets DIR`: what controller-runtime's envtest looks for in KUBEBUILDER_ASSETS."""

from __future__ import annotations

import argparse
from pathlib import Path

from podling.cluster.doctor import kubectl_path

from .command import Command, Failure, say


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="made where it is missing")
    parser.add_argument(
        "--controllers",
        default="",
        metavar="NAMES",
        help="controllers that the kube-apiserver brings along unless PODLING_ENVTEST_CONTROLLERS names others, "
        "e.g. garbage-collector,namespace (default: none, as with envtest)",
    )


def run(arguments: argparse.Namespace) -> int:
    from podling.envtest.assets import write
    from podling.envtest.controllers import UnknownController, chosen

    folder: Path = arguments.directory.absolute()
    names = [name for name in arguments.controllers.split(",") if name]
    try:
        chosen(names)
        write(folder, kubectl_path(), names)
    except UnknownController as error:
        raise Failure(str(error), 2) from error
    except OSError as error:
        raise Failure(f"{error.strerror}: {error.filename}") from error
    say(f"export KUBEBUILDER_ASSETS={folder}")
    return 0


COMMAND = Command(
    "envtest-assets", "write etcd, kube-apiserver and kubectl for controller-runtime's envtest", run, _arguments
)
