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
from podling.apiserver.webhooks.matching import GROUP, Criteria
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]
KINDS = {"mutatingwebhookconfigurations": "MutatingWebhook", "validatingwebhookconfigurations": "ValidatingWebhook"}


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook of a configuration."""

    id: str
    """`configuration/webhook/number`, unique among those of its kind."""
    name: str
    criteria: Criteria
    said: Mapping[str, Any]
    conditions: tuple[Mapping[str, str], ...]
    timeout: float
    ignores_failure: bool
    reinvoked: bool
    """May be asked again where somebody changed the object after it (reinvocationPolicy IfNeeded)."""

    @property
    def dry_run(self) -> bool:
        """Whether it may be asked about what will not happen."""
        return self.said.get("sideEffects") in ("None", "NoneOnDryRun")


class Configurations:
    """`hooks` in the order of their configurations' names."""

    def __init__(self, cache: WatchCache, plural: str) -> None:
        self._cache, self._prefix = cache, prefix_of(GROUP, plural)
        self.hooks: tuple[Hook, ...] = ()
        cache.follow(self._prefix, self._changed)
        self._load()

    def _changed(self, _: Event) -> None:
        self._load()

    def _load(self) -> None:
        found = [hook for obj in self._cache.list(self._prefix) for hook in hooks_of(obj.head.name, obj.json())]
        self.hooks = tuple(found)


def hooks_of(configuration: str, said: Json) -> list[Hook]:
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
            tuple(each.get("matchConditions") or ()),
            float(each.get("timeoutSeconds") or 10),
            each.get("failurePolicy") == "Ignore",
            each.get("reinvocationPolicy") == "IfNeeded",
        )
        found.append(hook)
    return found
