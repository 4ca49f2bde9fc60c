"""Flags as Go programs take them: `--name=value`, `--name value`, `--name` for what is on or off.

Every flag is declared in a table with a line of help, because envtest reads from `--help` what it may pass. A flag that
is declared but changes nothing here is told of on stderr; one that is not declared is refused, as upstream does. Only
light modules are imported here, because a suite waits for each `--help`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

HELP_COLUMN = 42


class FlagError(Exception):
    """What the user has to hear about the flags given."""


class Flag(NamedTuple):
    """`type` as Go's help calls it: string, int, ip, strings …; "" for a switch."""

    name: str
    help: str
    type: str = "string"
    acts: bool = True
    """False: it is accepted, and what it asks for does not exist here."""


class Given(NamedTuple):
    """What was on the command line, the last value of each flag; lists are joined with commas."""

    values: Mapping[str, str]
    without_effect: Sequence[str] = ()

    def get(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    def on(self, name: str) -> bool:
        """Whether a switch is on. Raises FlagError for what is neither true nor false."""
        value = self.values.get(name, "false").lower()
        if value not in ("true", "false", "1", "0", "t", "f"):
            raise FlagError(f'invalid argument "{value}" for "--{name}" flag: strconv.ParseBool: invalid syntax')
        return value in ("true", "1", "t")

    def number(self, name: str, default: int) -> int:
        value = self.values.get(name, str(default))
        if not value.isdecimal():
            raise FlagError(f'invalid argument "{value}" for "--{name}" flag: it is not a number')
        return int(value)

    def listed(self, name: str) -> tuple[str, ...]:
        """The parts of a list."""
        return tuple(part.strip() for part in self.values.get(name, "").split(",") if part.strip())


def parse(arguments: Sequence[str], flags: Iterable[Flag]) -> Given:
    """Raises FlagError for an unknown flag, a missing value or a word that is no flag."""
    known = {flag.name: flag for flag in flags}
    values: dict[str, str] = {}
    idle: dict[str, None] = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        if not word.startswith("-") or word in ("-", "--"):
            raise FlagError(f'unknown argument "{word}"')
        name, equals, value = word.lstrip("-").partition("=")
        flag = known.get("help" if name == "h" else name)
        if flag is None:
            raise FlagError(f"unknown flag: --{name}")
        if not equals:
            value = _value(flag, words)
        listed = flag.type == "strings" and flag.name in values
        values[flag.name] = f"{values[flag.name]},{value}" if listed else value
        if not flag.acts:
            idle[f"--{flag.name}"] = None
    return Given(values, tuple(idle))


def _value(flag: Flag, words: list[str]) -> str:
    if not flag.type:
        return "true"
    if not words:
        raise FlagError(f"flag needs an argument: --{flag.name}")
    return words.pop(0)


def usage(program: str, about: str, flags: Iterable[Flag]) -> str:
    """The text of `--help`: what acts first, then what is only accepted."""
    chosen = sorted(flags, key=lambda flag: flag.name)
    acting, idle = [each for each in chosen if each.acts], [each for each in chosen if not each.acts]
    lines = [about, "", "Usage:", f"  {program} [flags]", "", "Flags:", *map(_line, acting)]
    if idle:
        lines += ["", "Flags that are accepted and change nothing:", *map(_line, idle)]
    return "\n".join(lines) + "\n"


def _line(flag: Flag) -> str:
    left = f"      --{flag.name} {flag.type}".rstrip()
    return f"{left:<{HELP_COLUMN}} {flag.help}".rstrip()
