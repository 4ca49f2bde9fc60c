"""Which endpoint a client gets: each in its turn, or the one it had before."""

from __future__ import annotations

from collections.abc import Callable, Collection

from podling.env import Env
from podling.network.relay import Target
from podling.proxy.services import Address, Rule

Permits = Callable[[str, Address, str], bool]
"""Whether a client (by its address) may reach an endpoint by a protocol."""

_MANY_CLIENTS = 1024


class RoundRobin:
    """A `network.relay.Balancer` for one front. Exchange `rule` whenever the endpoints change."""

    def __init__(self, rule: Rule, env: Env, permits: Permits | None = None, protocol: str = "TCP") -> None:
        """`permits`: what NetworkPolicies say; None for clients that none concerns."""
        self.rule = rule
        self._env, self._permits, self._protocol = env, permits, protocol
        # Relays of one Service begin at different endpoints, or many rarely used ones would all begin with the first.
        self._next = int(env.chance() * len(rule.endpoints))
        self._last: dict[str, tuple[Target, float]] = {}

    def pick(self, client: str, tried: Collection[Target]) -> Target | None:
        if self._permits is not None:
            refused = [each for each in self.rule.endpoints if not self._permits(client, each, self._protocol)]
            tried = [*tried, *refused] if refused else tried
        if not self.rule.affinity:
            return self._take_turn(tried)
        target = self._remembered(client)
        if target is None or target in tried:
            target = self._take_turn(tried)
        if target is not None:
            self._remember(client, target)
        return target

    def _take_turn(self, tried: Collection[Target]) -> Target | None:
        endpoints = self.rule.endpoints
        for step in range(len(endpoints)):
            place = (self._next + step) % len(endpoints)
            if endpoints[place] not in tried:
                self._next = place + 1
                return endpoints[place]
        return None

    def _remembered(self, client: str) -> Target | None:
        target, used_at = self._last.get(client, (None, 0.0))
        if target not in self.rule.endpoints or used_at + self.rule.affinity < self._env.monotonic():
            return None
        return target

    def _remember(self, client: str, target: Target) -> None:
        now = self._env.monotonic()
        if len(self._last) >= _MANY_CLIENTS and client not in self._last:
            oldest = now - self.rule.affinity
            self._last = {who: last for who, last in self._last.items() if last[1] >= oldest}
        self._last[client] = target, now
