"""The controllers that a test suite asked for beside its API server: none unless it names them.

With envtest nothing collects garbage and a deleted namespace stays for ever; that is what suites expect that were
written for it. Named controllers are found by the names users know: `garbagecollector`, `garbage-collector`,
`garbage-collector-controller`.
"""

from __future__ import annotations

from collections.abc import Sequence

from podling.controllermanager.manager import find_controllers
from podling.reconcile.controller import Controller


class UnknownController(Exception):
    """No controller has this name; the text lists those there are."""


def chosen(names: Sequence[str]) -> tuple[Controller, ...]:
    """The controllers of these names, `*` or `all` for every one. Raises UnknownController."""
    found = find_controllers()
    if {"*", "all"} & set(names):
        return found
    by_name = {_plain(each.name): each for each in found} | {_plain(each.component): each for each in found}
    picked: dict[str, Controller] = {}
    for name in names:
        controller = by_name.get(_plain(name))
        if controller is None:
            there = ", ".join(sorted(each.name for each in found))
            raise UnknownController(f'there is no controller "{name}"; there are: {there}, or all')
        picked[controller.name] = controller
    return tuple(picked.values())


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "").removesuffix("controller")
