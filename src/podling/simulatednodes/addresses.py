"""Addresses of simulated Pods: one of the node's block each, free again when the Pod is gone."""

from __future__ import annotations

import ipaddress


class Addresses:
    """Of one node."""

    def __init__(self, block: str) -> None:
        network = ipaddress.IPv4Network(block)
        self._first, self._size = int(network.network_address) + 2, network.num_addresses - 3
        self._of: dict[str, int] = {}
        self._used: set[int] = set()
        self._next = 0

    def keep(self, uid: str, address: str) -> None:
        """The Pod has this address already."""
        number = int(ipaddress.IPv4Address(address)) - self._first
        if uid not in self._of and 0 <= number < self._size:
            self._of[uid] = number
            self._used.add(number)

    def of(self, uid: str) -> str:
        """The Pod's address, the same whenever it is asked for; "" where none is left."""
        number = self._of.get(uid)
        if number is None:
            if len(self._used) >= self._size:
                return ""
            while self._next in self._used:
                self._next = (self._next + 1) % self._size
            number = self._of[uid] = self._next
            self._used.add(number)
            self._next = (self._next + 1) % self._size
        return str(ipaddress.IPv4Address(self._first + number))

    def release(self, uid: str) -> None:
        self._used.discard(self._of.pop(uid, -1))
