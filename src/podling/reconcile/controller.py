"""What a controller is: a name, what it looks at, and one pure function.

Each file of `controllers/` holds one constant `CONTROLLER`; the manager finds it by scanning the folder. The key of
a piece of work is the store's key of the object it is about, e.g. `apps/replicasets/default/web`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from podling.api.objects import Object
from podling.client.transport import Resource
from podling.reconcile.action import Plan
from podling.reconcile.view import View

Keys = Callable[[Object, View], Iterable[str]]
Alike = Callable[[Object, Object], bool]
"""Whether nothing follows from the change of an object from one state to the other."""


def _never(old: Object, new: Object) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Watch:
    """Changes of another resource that concern the controller: `keys` is asked for the old and the new object, unless
    they are `alike`."""

    resource: Resource
    keys: Keys
    alike: Alike = _never


@dataclass(frozen=True, slots=True)
class Controller:
    """`component` is the source of its events, as users know it (`replicaset-controller`)."""

    name: str
    component: str
    reconcile: Callable[[Object, View], Plan]
    resource: Resource | None = None
    """What its keys are; None: objects of every served resource."""
    watches: tuple[Watch, ...] = ()
    reads: tuple[Resource, ...] = ()
    """Looked at without being woken by it."""
    vanished: Callable[[str, View], Plan] | None = None
    """What to do about a key whose object is gone."""
    relevant: Callable[[Object], bool] = lambda found: True
    """Whether a change of the object itself is worth a look; of what is irrelevant before and after, none is taken."""
    related: Keys | None = None
    """Further keys that a change concerns: of any served resource where the controller reads everything, else of its
    own."""
    newcomers: Callable[[Object], bool] = lambda found: True
    """Whether an object that has just appeared may concern others (`related`) at all: asked before that is."""
    aside: bool = False
    """It only guards objects: a kind that nobody else acts on still does nothing."""
    everything: bool = False
    """It reads every served resource."""
    alike: Alike = _never
    """Whether a change of an object means nothing, to itself or (`related`) to others: asked before anything else."""
