"""Bearer tokens of every kind: from a file, of service accounts, for bootstrapping; the first that knows one answers.

Tokens of a file and of bootstrapping say nothing of an audience: they are for this API (Kubernetes documentation,
"Authenticating").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from podling.apiserver.message import User

Reviewed = tuple[User, tuple[str, ...]]
"""Whose it is, and for which of the audiences that were asked for."""


class Reader(Protocol):
    def review(self, token: str, audiences: Sequence[str] = ()) -> Reviewed | None: ...


class Holder(Protocol):
    def authenticate(self, token: str) -> User | None: ...


class BearerTokens:
    """`accounts` is None on a server without a token key."""

    def __init__(
        self, static: Mapping[str, User], accounts: Reader | None, bootstrap: Holder, audiences: Sequence[str]
    ) -> None:
        self._static, self._accounts, self._bootstrap = static, accounts, bootstrap
        self._audiences = tuple(audiences)

    def authenticate(self, token: str) -> User | None:
        """Whose token it is, if it is for this API."""
        found = self.review(token)
        return found[0] if found is not None else None

    def review(self, token: str, audiences: Sequence[str] = ()) -> Reviewed | None:
        """`audiences`: any of them will do; this API's own by default."""
        if self._accounts is not None and (found := self._accounts.review(token, audiences)) is not None:
            return found
        user = self._static.get(token) or self._bootstrap.authenticate(token)
        if user is None:
            return None
        ours = tuple(each for each in audiences or self._audiences if each in self._audiences)
        return (user, ours) if ours else None
