"""Which Pod address is whose: a pool of one node, in memory, rebuilt from what the keeper lists.

Addresses go round the pool instead of always taking the lowest free one, so that a new Pod does not get the address
a client of the deleted Pod still has in its hands.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network


class PoolExhausted(Exception):
    """Every address of the node's Pod network is held."""


class Ipam:
    """Holder (a sandbox id) ↔ address. The network's first two addresses and its last are never given."""

    def __init__(self, network: IPv4Network) -> None:
        self.network = network
        self._first = int(network.network_address) + 2
        self._end = int(network.broadcast_address)
        self._next = self._first
        self._by_holder: dict[str, IPv4Address] = {}
        self._taken: set[IPv4Address] = set()

    def get(self, holder: str) -> IPv4Address | None:
        return self._by_holder.get(holder)

    def take(self, holder: str) -> IPv4Address:
        """The holder's address; a holder that has one keeps it. Raises PoolExhausted."""
        if (held := self._by_holder.get(holder)) is not None:
            return held
        size = self._end - self._first
        for step in range(size):
            address = IPv4Address(self._first + (self._next - self._first + step) % size)
            if address not in self._taken:
                self._next = int(address) + 1
                return self._hold(holder, address)
        raise PoolExhausted(f"no free address in {self.network}: {len(self._taken)} are held")

    def adopt(self, holder: str, address: IPv4Address) -> None:
        """A holder from before this process. Raises ValueError if another one has the address."""
        if self._by_holder.get(holder) == address:
            return
        if address in self._taken:
            raise ValueError(f"{address} is held by another sandbox than {holder}")
        self.release(holder)
        self._hold(holder, address)
        if self._first <= int(address) < self._end:
            self._next = max(self._next, int(address) + 1)

    def release(self, holder: str) -> IPv4Address | None:
        """Give the address back; None if there was none."""
        address = self._by_holder.pop(holder, None)
        if address is not None:
            self._taken.discard(address)
        return address

    def _hold(self, holder: str, address: IPv4Address) -> IPv4Address:
        self._by_holder[holder] = address
        self._taken.add(address)
        return address
