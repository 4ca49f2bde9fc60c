"""How findings are worded: containers by name, quoted, one or many. The sentences are upstream's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

Json = dict[str, Any]


class Finding(msgspec.Struct, frozen=True):
    """`reason` for lists of Pods, `detail` for whoever has to repair one."""

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


def containers(spec: Json) -> Iterator[Json]:
    """In upstream's order."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or ()


def context(owner: Json) -> Json:
    return owner.get("securityContext") or {}


def names(spec: Json, bad: Callable[[Json], object]) -> list[str]:
    """The containers that `bad` is true of."""
    return [str(container.get("name", "")) for container in containers(spec) if bad(container)]


def plural(count: int, one: str, many: str = "") -> str:
    return one if count == 1 else many or f"{one}s"


def quoted(values: Iterable[str]) -> str:
    return ", ".join(json.dumps(value, ensure_ascii=False) for value in values)


def named(bad: list[str]) -> str:
    """`container "a"` or `containers "a", "b"`."""
    return f"{plural(len(bad), 'container')} {quoted(bad)}"


def setters(pod: bool, bad: list[str]) -> str:
    """`pod and container "a"`, whoever of them it was; empty where nobody was."""
    return " and ".join([*(["pod"] if pod else []), *([named(bad)] if bad else [])])
