"""What a controller sees: the world as the informers know it, and nothing that could change while it looks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Protocol

import msgspec

from podling.api.errors import ApiError
from podling.api.objects import Object
from podling.client.indexed import Indexed, Lister
from podling.client.received import Receiver
from podling.client.transport import Resource


class Settings(msgspec.Struct, frozen=True):
    """The knobs of the built-in controllers; times in seconds."""

    root_ca: str = ""
    """PEM of the certificate authority, for the ConfigMap kube-root-ca.crt of every namespace."""
    signer: Callable[[bytes, Collection[str], int, float], bytes] | None = None
    """Signs certificate requests: (request, usages, seconds, now) → certificate, both PEM; None: nothing is signed."""
    token_signer: Callable[[Mapping[str, Any]], str] | None = None
    """Signs the claims of service account tokens; None: Secrets get none."""
    node_grace: float = 50.0
    """A node whose Lease is older than this is unknown."""
    started: float = 0.0
    """When this control plane began to look (wall clock): a Lease cannot have been renewed while nobody served it."""
    terminated_pods: int = 12_500
    """Pods that have ended and are kept."""
    autoscaling_period: float = 15.0
    """Between two looks of the horizontal autoscaler at the same target."""
    downscale_window: float = 300.0
    """How long it waits before it scales down, where the behavior does not say."""
    autoscaling_tolerance: float = 0.1
    """The share that a metric may be off its target."""
    initialization: float = 300.0
    """What a Pod so young uses of the processor is not believed until it was ready for a while."""
    readiness_delay: float = 30.0
    """A Pod that became unready so soon after its start has never been ready."""


class Served(msgspec.Struct, frozen=True):
    """A resource as discovery knows it."""

    resource: Resource
    kind: str
    namespaced: bool
    verbs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    """Other API groups that serve the same objects: an owner reference may name a Deployment of `extensions`."""


class ServedResources:
    """Every resource that can be listed, watched and deleted, in the order of discovery; preferred versions only."""

    def __init__(self, served: Iterable[Served] = ()) -> None:
        self._missing: dict[str, None] = {}
        self._tell(tuple(served))

    @property
    def unknown(self) -> tuple[str, ...]:
        """Group versions of other servers that could not be asked what they have."""
        return tuple(self._missing)

    def missing(self, version: str, whether: bool) -> None:
        """Nobody can say what such a group version has (`wardle.example.com/v1`), or somebody can again."""
        if whether:
            self._missing[version] = None
        else:
            self._missing.pop(version, None)

    def add(self, served: Served) -> None:
        """A custom resource has come."""
        self._tell((*self._all, served))

    def remove(self, served: Served) -> None:
        """It is not served any more."""
        self._tell(tuple(each for each in self._all if each != served))

    def _tell(self, served: tuple[Served, ...]) -> None:
        self._all = served
        others = {(group, each.kind): each for each in self._all for group in each.groups}
        self._kinds = others | {(each.resource.group, each.kind): each for each in self._all}
        self._plurals = {(each.resource.group or "core", each.resource.plural): each for each in self._all}

    def __iter__(self) -> Iterator[Served]:
        return iter(self._all)

    def of_kind(self, group: str, kind: str) -> Served | None:
        return self._kinds.get((group, kind))

    def of_plural(self, group: str, plural: str) -> Served | None:
        """`group` as in a store's key: "core" for the empty one."""
        return self._plurals.get((group or "core", plural))


class View(Protocol):
    """Handed to `reconcile`. Everything in it is shared and frozen."""

    @property
    def now(self) -> float:
        """Wall clock, seconds."""

    @property
    def settings(self) -> Settings: ...

    @property
    def failure(self) -> ApiError | None:
        """What ended the last plan for this key; None after one that succeeded."""

    @property
    def remembered(self) -> Any:
        """What the last run of this key asked to `Remember`; None where nothing."""

    @property
    def served(self) -> ServedResources: ...

    def of(self, resource: Resource) -> Lister: ...

    def owns(self, uid: str) -> bool:
        """Whether any object names it as an owner: asked before all resources are gone through."""


class Snapshot:
    """A `View` made of given objects: for tests of decisions and for thinking ahead."""

    def __init__(
        self,
        objects: Iterable[tuple[Resource, Mapping[str, Any]]] = (),
        *,
        now: float = 0.0,
        settings: Settings | None = None,
        failure: ApiError | None = None,
        served: Iterable[Served] = (),
        remembered: Any = None,
    ) -> None:
        self.now, self.failure, self.served = now, failure, ServedResources(served)
        self.remembered = remembered
        self.settings = settings or Settings()
        self._listers: dict[Resource, _Seen] = {}
        for resource, value in objects:
            self.put(resource, value)

    def of(self, resource: Resource) -> Lister:
        return self._of(resource)

    def owns(self, uid: str) -> bool:
        return any(seen.owns(uid) for seen in self._listers.values())

    def put(self, resource: Resource, value: Mapping[str, Any]) -> Object:
        """Add one object, given as its served JSON."""
        made = Receiver(resource).object(msgspec.json.encode(value))
        self._of(resource).put(made)
        return made

    def _of(self, resource: Resource) -> _Seen:
        return self._listers.setdefault(resource, _Seen())


class _Seen(Indexed):
    @property
    def revision(self) -> int:
        return max((found.revision for found in self.list()), default=0)
