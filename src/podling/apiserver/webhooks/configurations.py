"""The webhooks that are configured, compiled once a change; without any, a write asks one attribute and goes on.

Followed from the watch cache as it applies changes, so that whoever was answered that a configuration is stored finds
it in force at his next request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from podling.api.labels import BadSelector
from podling.api.objects import Event, prefix_of
from podling.apiserver.policies.compiling import Compilers
from podling.apiserver.policies.conditions import Condition, conditions_of
from podling.apiserver.webhooks.matching import GROUP, Criteria
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook of a configuration."""

    id: str
    """`configuration/webhook/number`, unique among those of its kind."""
    name: str
    criteria: Criteria
    said: Mapping[str, Any]
    conditions: tuple[Condition, ...]
    timeout: float
    ignores_failure: bool
    reinvoked: bool
    """May be asked again where somebody changed the object after it (reinvocationPolicy IfNeeded)."""

    @property
    def asks(self) -> bool:
        """Whether a condition may ask the authorizer."""
        return any("authorizer" in each.expression for each in self.conditions)

    @property
    def dry_run(self) -> bool:
        """Whether it may be asked about what will not happen."""
        return self.said.get("sideEffects") in ("None", "NoneOnDryRun")


class Configurations:
    """`hooks` in the order of their configurations' names."""

    def __init__(self, cache: WatchCache, compilers: Compilers, plural: str) -> None:
        self._cache, self._compilers, self._prefix = cache, compilers, prefix_of(GROUP, plural)
        self.hooks: tuple[Hook, ...] = ()
        cache.follow(self._prefix, self._changed)
        self._load()

    def _changed(self, _: Event) -> None:
        self._load()

    def _load(self) -> None:
        objects = self._cache.list(self._prefix)
        self.hooks = tuple(hook for obj in objects for hook in hooks_of(obj.head.name, obj.json(), self._compilers))


def hooks_of(configuration: str, said: Json, compilers: Compilers) -> list[Hook]:
    """A webhook whose selectors cannot be read is left out; validation lets none through."""
    found: list[Hook] = []
    for number, each in enumerate(said.get("webhooks") or ()):
        try:
            criteria = Criteria.of(each)
        except BadSelector:
            continue
        hook = Hook(
            f"{configuration}/{each.get('name', '')}/{number}",
            each.get("name", ""),
            criteria,
            each,
            conditions_of(each.get("matchConditions") or (), compilers),
            float(each.get("timeoutSeconds") or 10),
            each.get("failurePolicy") == "Ignore",
            each.get("reinvocationPolicy") == "IfNeeded",
        )
        found.append(hook)
    return found
