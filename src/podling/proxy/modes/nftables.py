"""Proxy mode nftables: the kernel does the work, and we tell it what changed."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from podling.env import Env
from podling.network import conntrack
from podling.proxy.libnftables import Nft, find_nft
from podling.proxy.mode import Mode, ModeConfig
from podling.proxy.ruleset import Ruleset
from podling.proxy.services import Change, Front, Rule

_LONG_TEXT = 16_384
"""Commands longer than this take more than a loop may be held for (about 2 ms)."""


class Nftables:
    """Holds one table, `ip podling`, in the node's namespace. Needs CAP_NET_ADMIN there."""

    name = "nftables"

    def __init__(self, config: ModeConfig, nft: Nft | None = None) -> None:
        """Raises NftError where nftables is not installed."""
        self._env: Env = config.env
        self._nft = nft or find_nft()
        self._ruleset = Ruleset(config.services)

    async def start(self, rules: Mapping[Front, Rule]) -> None:
        await self._run(self._ruleset.load(rules))
        await self._forget_stale(rules)

    async def apply(self, change: Change) -> None:
        await self._run(self._ruleset.change(change))
        await self._forget_stale({**dict.fromkeys(change.removed, Rule()), **change.set})

    async def stop(self) -> None:
        await self._run(self._ruleset.clear())

    def release(self) -> None:
        """The rules stay in force until the next process replaces them in one transaction."""

    async def _run(self, text: str) -> None:
        if len(text) > _LONG_TEXT:
            await self._env.in_thread(self._nft.run, text)
        elif text:
            self._nft.run(text)

    async def _forget_stale(self, rules: Mapping[Front, Rule]) -> None:
        udp = {(f.address, f.port): frozenset(r.endpoints) for f, r in rules.items() if f.protocol == "UDP"}
        if udp:
            await self._env.in_thread(_forget_stale, udp)


def _forget_stale(fronts: Mapping[conntrack.Address, frozenset[conntrack.Address]]) -> None:
    with conntrack.netfilter() as netlink:
        stale = [
            flow
            for flow in conntrack.flows(netlink, socket.IPPROTO_UDP)
            if flow.target in fronts and flow.answered_by not in fronts[flow.target]
        ]
        conntrack.forget(netlink, stale)


MODE: type[Mode] = Nftables
