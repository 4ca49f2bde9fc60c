"""Admission: plugins that change or refuse an object on its way to the store, in the order of the list.

A plugin has `admit(attempt)`, which changes `attempt.obj` in place or raises an `ApiError`, or `validate(attempt)`,
which only looks and runs after the object has been checked, or both; both are async, because some of them ask over
the network. The list is upstream's (`AllOrderedPlugins`): what decides about names first, what asks others last,
ResourceQuota behind everything that may still refuse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from podling.apiserver.admission.attempt import Attempt, Operation
from podling.apiserver.admission.certificates import (
    CertificateApproval,
    CertificateRequesters,
    CertificateSigning,
    CertificateSubjectRestriction,
    ClusterTrustBundleAttest,
    TrustAnchors,
)
from podling.apiserver.admission.defaultclasses import DefaultIngressClass, DefaultStorageClass
from podling.apiserver.admission.defaulttolerations import DefaultTolerations
from podling.apiserver.admission.escalation import Escalation
from podling.apiserver.admission.limitranger import LimitRanger
from podling.apiserver.admission.namespacelifecycle import NamespaceLifecycle
from podling.apiserver.admission.noderestriction import NodeRestriction
from podling.apiserver.admission.podcertificates import PodCertificateRequests
from podling.apiserver.admission.podsecurity import PodSecurity
from podling.apiserver.admission.podtopologylabels import PodTopologyLabels
from podling.apiserver.admission.priority import Priority
from podling.apiserver.admission.resourcequota import ResourceQuota
from podling.apiserver.admission.runtimeclass import RuntimeClass
from podling.apiserver.admission.serviceaccount import ServiceAccount
from podling.apiserver.admission.storageobjects import PersistentVolumeClaimResize, StorageObjectInUseProtection
from podling.apiserver.admission.taintnodes import TaintNewNodes
from podling.apiserver.authorization.question import Authorizer
from podling.apiserver.config import Config
from podling.env import Env
from podling.storage.watchcache import WatchCache


class Plugin:
    """What the chain reads off a plugin; any class will do that has the methods.

    `async def admit(attempt)` and `async def validate(attempt)`, either or both. An `admit` that returns true asks for
    a second run of all of them: it changed what those before it had seen (webhooks and mutating policies).
    """

    subresources: bool = False
    """Whether it wants to see writes through subresources as well."""
    operations: Collection[Operation] = ("CREATE", "UPDATE", "DELETE")
    """What it wants to see."""
    kinds: Collection[tuple[str, str]] | None = None
    """The (group, kind) it looks at; None: every kind."""


class Asked(Protocol):
    """Policies and webhooks, in upstream's order; they know this module, so it does not know them."""

    @property
    def active(self) -> bool:
        """Whether there is anything to ask at all."""

    def mutating(self) -> Sequence[object]: ...

    def validating(self) -> Sequence[object]: ...


Step = Callable[[Attempt], Awaitable[bool | None]]
Way = tuple[Operation, bool, str, str]
"""Operation, whether through a subresource, group, kind."""


def steps(plugins: Sequence[object], method: str, way: Way) -> tuple[Step, ...]:
    """The methods of the plugins that want to see this, in order."""
    operation, subresource, *kind = way
    wanted = [each for each in plugins if operation in getattr(each, "operations", Plugin.operations)]
    wanted = [each for each in wanted if (kinds := getattr(each, "kinds", None)) is None or tuple(kind) in kinds]
    if subresource:
        wanted = [each for each in wanted if getattr(each, "subresources", False)]
    return tuple(getattr(each, method) for each in wanted if hasattr(each, method))


def name_of(plugin: object) -> str:
    """What upstream calls it (`--disable-admission-plugins`): its class's name, unless it says otherwise."""
    name: str = getattr(plugin, "name", type(plugin).__name__)
    return name


class Admission:
    """The chain."""

    def __init__(self, config: Config, env: Env, cache: WatchCache, authorizer: Authorizer, asking: Asked) -> None:
        """`asking`: those plugins that ask others, which come behind all of ours but the quota."""
        self._asking = asking
        self._quota = ResourceQuota(env, cache)
        self._plugins: Sequence[object] = (
            NamespaceLifecycle(cache),
            LimitRanger(cache),
            ServiceAccount(env, cache),
            NodeRestriction(cache, authorizer),
            TaintNewNodes(),
            PodSecurity(env, cache),
            Priority(cache, config.priority_classes),
            DefaultTolerations(),
            DefaultStorageClass(cache),
            StorageObjectInUseProtection(),
            Escalation(authorizer, cache),
            PersistentVolumeClaimResize(cache),
            RuntimeClass(cache),
            CertificateRequesters(env),
            TrustAnchors(),
            PodCertificateRequests(env, authorizer),
            CertificateApproval(authorizer),
            CertificateSigning(authorizer),
            ClusterTrustBundleAttest(authorizer),
            CertificateSubjectRestriction(),
            DefaultIngressClass(cache),
            PodTopologyLabels(cache),
            *asking.mutating(),
            *asking.validating(),
            self._quota,
        )
        self._plugins = [each for each in self._plugins if name_of(each) not in config.disabled_admission]
        # The steps of each way a write can take, found when it is first taken.
        self._admit: dict[Way, tuple[Step, ...]] = {}
        self._validate: dict[Way, tuple[Step, ...]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The plugins that are on, in order; those of ours that upstream does not know as such too."""
        return tuple(name_of(each) for each in self._plugins)

    @property
    def asks_others(self) -> bool:
        """Whether there are webhooks or policies, which want to see even what changes nothing: connections (exec,
        proxies …) and updates to what is there already."""
        return self._asking.active

    async def admit(self, attempt: Attempt) -> None:
        """Change the object; before it is validated."""
        way = _way(attempt)
        found = self._admit.get(way)
        if found is None:
            found = self._admit[way] = steps(self._plugins, "admit", way)
        again = False
        for step in found:
            if await step(attempt):
                again = True
        if again:
            attempt = msgspec.structs.replace(attempt, again=True)
            for step in found:
                await step(attempt)

    async def validate(self, attempt: Attempt) -> None:
        """Refuse it or let it pass, as it would be stored."""
        way = _way(attempt)
        found = self._validate.get(way)
        if found is None:
            found = self._validate[way] = steps(self._plugins, "validate", way)
        for step in found:
            await step(attempt)

    def promise(self, uid: str) -> AbstractContextManager[None]:
        """Around the write of the object with this uid: gives back what a quota holds for it where it fails."""
        return self._quota.promise(uid)


def _way(attempt: Attempt) -> Way:
    kind = attempt.served.kind
    return attempt.operation, bool(attempt.subresource), kind.group, kind.kind
