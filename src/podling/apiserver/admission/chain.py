"""Admission: plugins that change or refuse an object on its way to the store, in the order of the list.

A plugin has `admit(attempt)`, which changes `attempt.obj` in place or raises an `ApiError`, or `validate(attempt)`,
which only looks and runs after the object has been checked, or both; both are async, because some of them ask over
the network. The list is upstream's (`AllOrderedPlugins`): what decides about names first, what asks others last,
ResourceQuota behind everything that may still refuse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

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
Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]
OPERATIONS: Sequence[Operation] = ("CREATE", "UPDATE", "DELETE", "CONNECT")


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is about to be done. `obj` is the new hub object (on DELETE the one that goes), `old` the present one."""

    operation: Operation
    served: Served
    namespace: str
    obj: Json
    old: Json | None
    request: Request
    subresource: str = ""
    """The way of an update; plugins with `subresources = True` look at others than the object itself."""
    dry: bool = False
    """Nothing will be stored: a plugin must leave no trace elsewhere."""


class Plugin:
    """What the chain reads off a plugin; any class will do that has the methods.

    `async def admit(attempt)` and `async def validate(attempt)`, either or both.
    """

    subresources: bool = False
    """Whether it wants to see writes through subresources as well."""
    operations: Collection[Operation] = ("CREATE", "UPDATE", "DELETE")
    """What it wants to see."""


Step = Callable[[Attempt], Awaitable[None]]


def steps(plugins: Sequence[object], method: str, operation: Operation, *, subresource: bool) -> tuple[Step, ...]:
    """The methods of the plugins that want to see this, in order."""
    wanted = [each for each in plugins if operation in getattr(each, "operations", Plugin.operations)]
    if subresource:
        wanted = [each for each in wanted if getattr(each, "subresources", False)]
    return tuple(getattr(each, method) for each in wanted if hasattr(each, method))


class Admission:
    """The chain."""

    def __init__(self, config: Config, env: Env, cache: WatchCache, authorizer: Authorizer) -> None:
        plugins: Sequence[object] = (
            NamespaceLifecycle(cache),
            ServiceAccount(env, cache),
            NodeRestriction(),
            TaintNewNodes(),
            Priority(cache, config.priority_classes),
            DefaultTolerations(),
            Escalation(authorizer, cache),
            CustomDefinitions(),
        )
        ways = [(operation, subresource) for operation in OPERATIONS for subresource in (False, True)]
        self._admit = {way: steps(plugins, "admit", way[0], subresource=way[1]) for way in ways}
        self._validate = {way: steps(plugins, "validate", way[0], subresource=way[1]) for way in ways}

    async def admit(self, attempt: Attempt) -> None:
        """Change the object; before it is validated."""
        for step in self._admit[attempt.operation, bool(attempt.subresource)]:
            await step(attempt)

    async def validate(self, attempt: Attempt) -> None:
        """Refuse it or let it pass, as it would be stored."""
        for step in self._validate[attempt.operation, bool(attempt.subresource)]:
            await step(attempt)
