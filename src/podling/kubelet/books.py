"""What the Pods of this node hold of it, so that a new one, or one that wants more, can be judged.

One process writes here between two pauses of its loop, so looking and holding are never apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from podling.kubelet.admission import Amounts, Claim, allocatable


class Books:
    def __init__(self, capacity: Mapping[str, str]) -> None:
        """`capacity`: the node's amounts as its status tells them."""
        self.has: Amounts = allocatable(capacity)
        self._claims: dict[str, Claim] = {}
        self._waiting: dict[str, Callable[[], None]] = {}

    def others(self, uid: str) -> tuple[Claim, ...]:
        """What all Pods but this one hold."""
        return tuple(claim for other, claim in self._claims.items() if other != uid)

    def hold(self, uid: str, claim: Claim) -> None:
        self._claims[uid] = claim
        self._moved()

    def release(self, uid: str) -> None:
        self._waiting.pop(uid, None)
        if self._claims.pop(uid, None) is not None:
            self._moved()

    def wait(self, uid: str, wake: Callable[[], None]) -> None:
        """`wake` is called once, with the next change."""
        self._waiting[uid] = wake

    def _moved(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for wake in waiting.values():
            wake()
