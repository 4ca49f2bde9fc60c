"""`podling image …`: build, load, save, list, remove and pull images, without a daemon.

Images are shared by all clusters of one state folder, so they can be built before there is a cluster.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from podling.cluster.paths import ClusterPaths, state_root

from .command import Command, Failure, say


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="build an image from a Containerfile")
    build.add_argument("context", type=Path, help="the folder that COPY copies from")
    build.add_argument("-t", "--tag", action="append", required=True, help="the image's name; may be repeated")
    build.add_argument("-f", "--file", type=Path, help="default: Containerfile or Dockerfile in the folder")
    build.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    load = actions.add_parser("load", help="load a docker archive or an OCI layout (tar)")
    load.add_argument("archive", type=Path)
    save = actions.add_parser("save", help="write images as an archive that docker and podman load")
    save.add_argument("images", nargs="+")
    save.add_argument("-o", "--output", type=Path, required=True)
    actions.add_parser("ls", help="list images")
    remove = actions.add_parser("rm", help="remove images or names of images")
    remove.add_argument("images", nargs="+")
    pull = actions.add_parser("pull", help="pull images from their registries")
    pull.add_argument("images", nargs="+")


def run(parsed: argparse.Namespace) -> int:
    from podling.runtime.images.build import BuildError
    from podling.runtime.images.names import InvalidName
    from podling.runtime.images.store import ImageError

    folder = ClusterPaths(state_root(), "").images
    _needs_root(folder)
    acts: dict[str, Callable[[argparse.Namespace, Path], Awaitable[None]]] = {
        "build": _build,
        "load": _load,
        "save": _save,
        "ls": _list,
        "rm": _remove,
        "pull": _pull,
    }
    try:
        asyncio.run(_as_coroutine(acts[parsed.action](parsed, folder)))
    except (BuildError, ImageError, InvalidName, OSError) as error:
        raise Failure(str(error)) from error
    return 0


async def _as_coroutine(act: Awaitable[None]) -> None:
    await act


def _needs_root(folder: Path) -> None:
    if os.geteuid() != 0:
        from podling.cluster.doctor import sudo_command

        raise Failure(f"images belong to root, as the containers do ({folder}):\n  {sudo_command(sys.argv[1:])}")


async def _build(parsed: argparse.Namespace, folder: Path) -> None:
    from podling.env import SystemEnv
    from podling.runtime.images.build import Builder
    from podling.runtime.images.registry import RegistryPuller
    from podling.runtime.images.store import ImageStore

    given = {}
    for each in parsed.build_arg:
        name, found, value = each.partition("=")
        if not found:
            raise Failure(f"--build-arg wants NAME=VALUE, not {each!r}", 2)
        given[name] = value
    store, env = ImageStore(folder), SystemEnv()
    builder = Builder(store, RegistryPuller(store, env), env)
    entry = await builder.build(parsed.context, tuple(parsed.tag), file=parsed.file, arguments=given, say=say)
    say(f"{entry.id[7:19]}  {' '.join(parsed.tag)}")


async def _load(parsed: argparse.Namespace, folder: Path) -> None:
    from podling.runtime.images.archive import load
    from podling.runtime.images.store import ImageStore

    for entry in load(ImageStore(folder), parsed.archive):
        say(f"Loaded image: {', '.join(entry.names) or entry.id}")


async def _save(parsed: argparse.Namespace, folder: Path) -> None:
    from podling.runtime.images.archive import save
    from podling.runtime.images.store import ImageStore

    save(ImageStore(folder), tuple(parsed.images), parsed.output)


async def _list(parsed: argparse.Namespace, folder: Path) -> None:
    from podling.runtime.images.store import ImageStore

    say(f"{'IMAGE':<56} {'ID':<14} SIZE")
    for entry in sorted(ImageStore(folder).list(), key=lambda each: each.names):
        for name in entry.names or ("<none>",):
            say(f"{name:<56} {entry.id[7:19]:<14} {entry.size / 1e6:.1f} MB")


async def _remove(parsed: argparse.Namespace, folder: Path) -> None:
    from podling.runtime.images.store import ImageStore

    store = ImageStore(folder)
    for image in parsed.images:
        if store.remove(image) is None:
            raise Failure(f"no such image: {image}")
        say(f"Removed: {image}")


async def _pull(parsed: argparse.Namespace, folder: Path) -> None:
    from podling.env import SystemEnv
    from podling.runtime.images.names import parse
    from podling.runtime.images.registry import RegistryPuller
    from podling.runtime.images.store import ImageStore

    store = ImageStore(folder)
    for image in parsed.images:
        entry = await RegistryPuller(store, SystemEnv()).pull(parse(image))
        say(f"{entry.id[7:19]}  {', '.join(entry.names)}")


COMMAND = Command("image", "build, load, save, list, remove and pull images", run, arguments)
