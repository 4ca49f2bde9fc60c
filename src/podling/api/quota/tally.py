"""One quota's count, kept object by object: what it holds now, what is promised to writes on their way, what is left.

Counting an object again replaces what was counted of it, so that a first count over a long list and the changes that
come meanwhile may meet in any order. A promise is what a write was let pass with and is not seen yet; it ends when the
object is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podling.api.kinds.core.resourcequota import ResourceQuota
from podling.api.quantity import ZERO, Quantity, parse
from podling.api.quota.scopes import matches
from podling.api.quota.usage import PODS, Source, Usage, overdue_at, sources_of, usage_of


class Tally:
    """`sources` are the resources it counts."""

    def __init__(self, quota: ResourceQuota) -> None:
        self._quota = quota
        self.name = quota.metadata.name
        self.hard: Mapping[str, Quantity] = {name: parse(text) for name, text in quota.spec.hard.items()}
        self.sources = sources_of(self.hard)
        self._used: dict[str, Quantity] = {}
        self._counted: dict[str, Usage] = {}
        self._promised: dict[str, Usage] = {}
        self._ends: dict[str, tuple[float, Any]] = {}

    def usage(self, source: Source, view: Any, now: float) -> Usage:
        """What an object would count, of what the quota limits."""
        if source not in self.sources or not matches(self._quota, source, view):
            return {}
        return {name: amount for name, amount in usage_of(source, view, now).items() if name in self.hard}

    def count(self, key: str, source: Source, view: Any, now: float) -> None:
        """An object as it is now. Pods on their way out are looked at again by `expire`."""
        self.forget(key)
        usage = self.usage(source, view, now)
        if not usage:
            return
        self._counted[key] = usage
        self._add(usage)
        if source == PODS and (end := overdue_at(view)) is not None and end >= now:
            self._ends[key] = (end, view)

    def forget(self, key: str) -> None:
        """An object that is gone."""
        self._ends.pop(key, None)
        if (counted := self._counted.pop(key, None)) is not None:
            self._take(counted)

    def expire(self, now: float) -> None:
        """Pods that should have ended by now hold nothing any more."""
        for key, (end, view) in list(self._ends.items()):
            if now > end:
                self.count(key, PODS, view, now)

    def more(self, key: str, usage: Usage) -> Usage:
        """What `usage` would add to what is counted under `key`."""
        before = self._counted.get(key, {})
        added = {name: amount - before.get(name, ZERO) for name, amount in usage.items()}
        return {name: amount for name, amount in added.items() if amount > ZERO}

    def exceeded(self, more: Usage) -> str:
        """Upstream's sentence where `more` does not fit, else nothing."""
        wrong = [name for name, amount in more.items() if self.hard[name] < self.used(name) + amount]
        if not wrong:
            return ""
        used = {name: self.used(name) for name in wrong}
        return (
            f"exceeded quota: {self.name}, requested: {_said(wrong, more)}, "
            f"used: {_said(wrong, used)}, limited: {_said(wrong, self.hard)}"
        )

    def used(self, name: str) -> Quantity:
        return self._used.get(name, ZERO)

    def promise(self, uid: str, more: Usage) -> None:
        """Hold `more` for a write of the object with this uid; of two writes of it only one can succeed."""
        before = self._promised.get(uid, {})
        both = {name: max(more.get(name, ZERO), before.get(name, ZERO)) for name in {**before, **more}}
        self.settle(uid)
        self._promised[uid] = both
        self._add(both)

    def settle(self, uid: str) -> None:
        """The write is seen, or will not come."""
        if (promised := self._promised.pop(uid, None)) is not None:
            self._take(promised)

    def _add(self, usage: Usage) -> None:
        for name, amount in usage.items():
            self._used[name] = self._used[name] + amount if name in self._used else amount

    def _take(self, usage: Usage) -> None:
        for name, amount in usage.items():
            self._used[name] = self._used[name] - amount


def _said(names: Iterable[str], amounts: Mapping[str, Quantity]) -> str:
    return ",".join(f"{name}={amounts[name]}" for name in sorted(names))
