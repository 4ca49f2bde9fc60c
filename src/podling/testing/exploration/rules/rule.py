"""What a rule is: it sees one committed change and the world right after it, and says what is wrong with it.

Controllers act on what they know, so what was true a short while ago still excuses them (`LAG`); a rule that counts on
Pods being ready forgives where some were lost by no deed of a controller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from podling.testing.exploration.world import World, terminating

Json = dict[str, Any]

LAG: Final = 30.0
"""Seconds in which a change has reached everybody, lost watches and all."""
FRESH: Final = 15.0
"""Seconds in which a Pod that became ready may be taken for one that is not, or one that is gone for one that is not:
a watch is late by twelve at most."""

Rule = Callable[[World, float, Json | None, Json | None], Iterator[str]]
"""(world, now, before, after) → what is wrong."""
Rules = Mapping[str, tuple[Rule, ...]]
"""By the resource whose changes they look at, `core/pods`."""


def born(before: Json | None, after: Json | None) -> bool:
    return before is None and after is not None


def namespace_goes(world: World, obj: Json) -> bool:
    """It is being deleted with everything in it, Pods first: whoever counted on those counts no more."""
    namespace = world.get("core/namespaces", "", obj["metadata"].get("namespace", ""))
    return namespace is not None and terminating(namespace)
