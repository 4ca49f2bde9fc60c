"""Who watches: every committed change is held against all rules (`rules/`), and what runs against what may run.

What users were told is done has to stay: an object that was acknowledged goes only when they ask for it.
"""

from __future__ import annotations

from typing import Any, Final

from podling.api.objects import Event
from podling.testing.exploration.rules import keeping, limits, ordinals, placing, rollouts, tasks
from podling.testing.exploration.rules.rule import Rule
from podling.testing.exploration.world import World, controller_of

Json = dict[str, Any]
Name = tuple[str, str, str]
"""(resource, namespace, name), of `apps/deployments` and the like."""

_TOPICS: Final = (keeping, limits, ordinals, placing, rollouts, tasks)
RULES: Final[dict[str, tuple[Rule, ...]]] = {
    resource: tuple(rule for topic in _TOPICS for rule in topic.RULES.get(resource, ()))
    for resource in dict.fromkeys(name for topic in _TOPICS for name in topic.RULES)
}


class Watchman:
    """`violations` are sentences, in the order in which they were found; each once."""

    def __init__(self) -> None:
        self.world = World()
        self.violations: list[str] = []
        self.acknowledged: dict[Name, Json | None] = {}
        """The spec that the last answered write of its user left, None where its deletion was answered."""
        self.asked_to_go: dict[Name, None] = {}

    def observe(self, now: float, event: Event) -> tuple[Json | None, Json | None]:
        """The object before and after the change."""
        before, after = self.world.apply(now, event)
        resource = "/".join(event.object.key.split("/", 2)[:2])
        for rule in RULES.get(resource, ()):
            for fault in rule(self.world, now, before, after):
                self._add(f"{now:.3f} s: {fault}")
        if after is None and before is not None:
            self._gone(now, resource, before)
        return before, after

    def _gone(self, now: float, resource: str, before: Json) -> None:
        """What was acknowledged stays."""
        namespace, name = before["metadata"].get("namespace", ""), before["metadata"]["name"]
        key = (resource, namespace, name)
        if self.acknowledged.get(key) is None or controller_of(before):
            return
        if key not in self.asked_to_go and ("core/namespaces", "", namespace) not in self.asked_to_go:
            self._add(f"{now:.3f} s: {before['kind']} {name} was acknowledged and is gone")

    def running(self, now: float, sandboxes: dict[str, list[str]]) -> None:
        """What runs on which nodes, by namespace and name: a Pod of a StatefulSet runs once."""
        for pod, nodes in sandboxes.items():
            namespace, _, name = pod.partition("/")
            found = self.world.get("core/pods", namespace, name)
            stateful = found is not None and controller_of(found).get("kind") == "StatefulSet"
            if stateful and len(nodes) > 1:
                self._add(f"{now:.3f} s: {pod} runs on {' and '.join(nodes)} at once")

    def _add(self, fault: str) -> None:
        if fault not in self.violations:
            self.violations.append(fault)
