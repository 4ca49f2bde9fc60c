"""From a seed to a plan: workloads, what their users do to them, and what goes wrong meanwhile.

Pure: one seed is one plan, for ever the same under the same version of these files. Plans are small (a handful of Pods,
a minute and a half), because thousands of them find more than one large one. `mix.py` draws one; what is done to each
workload is in `deeds/`, what goes wrong in `troubles.py`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from podling.client.transport import Resource
from podling.testing.faults import Faults

Json = dict[str, Any]

NAMESPACE: Final = "default"
BUSY: Final = 90.0
"""Seconds in which users act and things go wrong; afterwards nothing fails and everything has to come to rest."""
ENDING_IMAGE: Final = "task:1"
"""Containers of this image end by themselves."""
FAILING_IMAGE: Final = "broken:1"
"""Those of this one do, too, and fail."""


class Create(msgspec.Struct, frozen=True):
    """`namespace` is empty for what lies in none; `owner` names an object of the same resource that it belongs to."""

    at: float
    resource: Resource
    body: Json
    namespace: str = NAMESPACE
    owner: str = ""

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])


class Change(msgspec.Struct, frozen=True):
    """A merge patch of the spec."""

    at: float
    resource: Resource
    name: str
    spec: Json
    namespace: str = NAMESPACE


class Delete(msgspec.Struct, frozen=True):
    at: float
    resource: Resource
    name: str
    propagation: str
    namespace: str = NAMESPACE


class Release(msgspec.Struct, frozen=True):
    """A finalizer is taken away."""

    at: float
    resource: Resource
    name: str
    finalizer: str
    namespace: str = NAMESPACE


class Evict(msgspec.Struct, frozen=True):
    """The eviction of the n-th Pod (in order of names) of an application."""

    at: float
    app: str
    number: int
    namespace: str = NAMESPACE


class Trouble(msgspec.Struct, frozen=True):
    """`silence` a component and start it again after so many seconds, or `crash` it after its next few writes; let a
    node repel Pods for so long (`taint`), those that are there, too (`expel`), `cordon` or `drain` it, or `remove` the
    machine; stop the `server`, or set the clock so far (`jump`)."""

    at: float
    what: str
    target: str
    seconds: float
    writes: int = 0
    """How many more writes a component may make before it crashes."""


Move = Create | Change | Delete | Release | Evict | Trouble


class Plan(msgspec.Struct, frozen=True):
    seed: int
    nodes: int
    faults: Faults
    moves: tuple[Move, ...]
    """In order of their times."""
