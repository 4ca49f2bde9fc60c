"""The command line: finds the commands of this folder and runs one.

A command is a module with a constant COMMAND; modules import what they need only when they run, because a command
line that takes half a second to say its version is felt.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from podling import __version__, cli
from podling.cluster.interrupts import ignore

from .command import Command, Failure, complain


def commands() -> dict[str, Command]:
    found = {}
    for module in sorted(pkgutil.iter_modules(cli.__path__), key=lambda each: each.name):
        command = getattr(importlib.import_module(f"{cli.__name__}.{module.name}"), "COMMAND", None)
        if isinstance(command, Command):
            found[command.name] = command
    return found


def parser(found: dict[str, Command]) -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="podling", description="Kubernetes that installs with pip: the real API, real containers, one laptop."
    )
    top.add_argument("--version", action="version", version=f"podling {__version__} (Kubernetes v1.37.1)")
    choices = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in found.values():
        sub = choices.add_parser(command.name, help=command.help, description=command.help)
        command.arguments(sub)
    return top


def main(arguments: Sequence[str] | None = None, settled: Callable[[], None] = lambda: None) -> int:
    """Exit codes: 0 done, 1 could not be done, 2 wrong usage, 130 interrupted.

    `settled` is called by commands that know the very moment at which their work is done.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    found = commands()
    try:
        if given and (direct := found.get(given[0])) and direct.passthrough:
            return direct.run(argparse.Namespace(rest=given[1:]))
        parsed = parser(found).parse_args(given, argparse.Namespace(settled=settled))
        return found[parsed.command].run(parsed)
    except Failure as failure:
        complain(str(failure))
        return failure.code
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        complain("interrupted")
        return 130


def program() -> NoReturn:
    """The process `podling`: `main`, whose exit code stands whatever signal meets the end of the interpreter."""
    try:
        code = main(settled=ignore)
    except KeyboardInterrupt:  # between the answer of `main` and here
        code = 130
    finally:
        ignore()
    sys.exit(code)


if __name__ == "__main__":
    program()
