"""What a proxy mode is, and where they are found.

A mode is one file in `modes/` with a constant MODE; `--proxy-mode` takes its name. All pass `tests/suites/proxy.py`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from podling.env import Env
from podling.proxy import modes
from podling.proxy.balancer import Permits
from podling.proxy.services import Change, Front, Rule
from podling.supervise import Supervisor

DEFAULT_MODE = "nftables"
_OF_OLD = {"iptables", "ipvs"}


class ModeConfig(NamedTuple):
    """What every mode is given."""

    env: Env
    tasks: Supervisor
    services: str
    """The Service network, 10.96.0.0/12; the node's namespace routes it to itself."""
    node_ip: str
    permits: Permits | None = None
    """What NetworkPolicies say of connections that a mode carries in the node's name."""


class Mode(Protocol):
    """Makes fronts real in the network namespace of this process. Calls come one after the other."""

    name: str

    def __init__(self, config: ModeConfig) -> None: ...

    async def start(self, rules: Mapping[Front, Rule]) -> None:
        """From whatever there was to exactly these rules; called again after a failure. Raises OSError."""

    async def apply(self, change: Change) -> None:
        """Raises OSError; then nothing or a part has been applied, and `start` follows."""

    async def stop(self) -> None:
        """Leave nothing behind, also of an earlier process."""

    def release(self) -> None:
        """This process ends: let go of its sockets. What the kernel does by itself goes on for the next process."""


def find_mode(name: str) -> type[Mode]:
    """The mode of this name. Raises ValueError that says which there are."""
    if name in _OF_OLD:
        raise ValueError(f"proxy mode {name} is not needed here: nftables does the same and is the default")
    found = _modes()
    if name not in found:
        raise ValueError(f"unknown proxy mode {name!r}: there are {', '.join(sorted(found))}")
    return found[name]


def mode_names() -> list[str]:
    return sorted(_modes())


def _modes() -> dict[str, type[Mode]]:
    found = (importlib.import_module(f"{modes.__name__}.{info.name}") for info in pkgutil.iter_modules(modes.__path__))
    return {module.MODE.name: module.MODE for module in found}
