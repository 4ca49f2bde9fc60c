"""Admission: plugins that change or refuse an object on its way to the store, in the order of the list.

A plugin has `admit(attempt)`, async because webhooks will ask over the network; it changes `attempt.obj` in place or
raises an `ApiError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from podling.apiserver.admission.customdefinitions import CustomDefinitions
from podling.apiserver.admission.defaulttolerations import DefaultTolerations
from podling.apiserver.admission.escalation import Escalation
from podling.apiserver.admission.namespacelifecycle import NamespaceLifecycle
from podling.apiserver.admission.noderestriction import NodeRestriction
from podling.apiserver.admission.priority import Priority
from podling.apiserver.admission.serviceaccount import ServiceAccount
from podling.apiserver.admission.taintnodes import TaintNewNodes
from podling.apiserver.authorization.question import Authorizer
from podling.apiserver.config import Config
from podling.apiserver.message import Request
from podling.apiserver.registry.served import Served
from podling.env import Env
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is about to be done. `obj` is the new hub object (on DELETE the one that goes), `old` the present one."""

    operation: Literal["CREATE", "UPDATE", "DELETE"]
    served: Served
    namespace: str
    obj: Json
    old: Json | None
    request: Request
    subresource: str = ""
    """The way of an update; only the Node restriction looks at others than the object itself."""


class Plugin(Protocol):
    async def admit(self, attempt: Attempt) -> None: ...


class Admission:
    """The chain."""

    def __init__(self, config: Config, env: Env, cache: WatchCache, authorizer: Authorizer) -> None:
        self._restriction = NodeRestriction()
        self._plugins: tuple[Plugin, ...] = (
            NamespaceLifecycle(cache),
            ServiceAccount(env, cache),
            self._restriction,
            TaintNewNodes(),
            Priority(cache, config.priority_classes),
            DefaultTolerations(),
            Escalation(authorizer, cache),
            CustomDefinitions(),
        )

    async def admit(self, attempt: Attempt) -> None:
        for plugin in (self._restriction,) if attempt.subresource else self._plugins:
            await plugin.admit(attempt)
