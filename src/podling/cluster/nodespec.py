"""One node of a cluster: everything that follows from its number.

Node N has 127.77.C.N+1 on the host and 172.31.C.N+1 inside (DESIGN 13), and the Pod network 10.244.(N-1).0/24. The
first is called as its cluster, further ones carry their number too.
"""

from __future__ import annotations

import msgspec

MOST_NODES = 16
"""Every two nodes are joined by a cable of their own: 120 of them."""
LAST_NUMBER = 253
"""The highest number that makes an address."""


class NodeSpec(msgspec.Struct, frozen=True):
    """`number` counts from 1 within the cluster, whose own number is `cluster_number`."""

    cluster: str
    cluster_number: int
    number: int

    @property
    def name(self) -> str:
        return self.cluster if self.number == 1 else f"{self.cluster}-{self.number}"

    @property
    def host_address(self) -> str:
        """The node's ExternalIP, where NodePorts answer on the host."""
        return f"127.77.{self.cluster_number}.{self.number + 1}"

    @property
    def internal_address(self) -> str:
        """The node's InternalIP, inside its network namespace."""
        return f"172.31.{self.cluster_number}.{self.number + 1}"

    @property
    def pod_network(self) -> str:
        """From which its Pods have their addresses."""
        return f"10.244.{self.number - 1}.0/24"


def next_numbers(known: tuple[int, ...], last: int, count: int) -> tuple[int, ...]:
    """Numbers for `count` more nodes: behind the `last` that was ever given, then the lowest free ones.

    What is bound to a node that was deleted (a volume, a Pod) is so not taken for the new one's.
    """
    free = [number for number in (*range(last + 1, LAST_NUMBER + 1), *range(1, last + 1)) if number not in known]
    return tuple(free[:count])
