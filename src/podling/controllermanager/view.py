"""The `View` of a running control plane: informers as listers, the clock, the settings."""

from __future__ import annotations

from typing import Any

from podling.api.errors import ApiError
from podling.client.indexed import Lister
from podling.client.informer import Informers
from podling.client.transport import Resource
from podling.env import Env
from podling.reconcile.view import ServedResources, Settings


class LiveView:
    """One per key and run; `now` stands still."""

    def __init__(
        self,
        informers: Informers,
        env: Env,
        settings: Settings,
        served: ServedResources,
        failure: ApiError | None = None,
        remembered: Any = None,
    ) -> None:
        self._informers = informers
        self.now, self.settings, self.served, self.failure = env.now(), settings, served, failure
        self.remembered = remembered

    def of(self, resource: Resource) -> Lister:
        return self._informers.of(resource)

    def owns(self, uid: str) -> bool:
        return self._informers.owns(uid)


class Glance:
    """What is asked which keys a change concerns: one for all changes, because most of them concern nobody and a view
    of its own would be the dearest part of finding that out. Its `now` goes on."""

    failure: ApiError | None = None
    remembered: Any = None

    def __init__(self, informers: Informers, env: Env, settings: Settings, served: ServedResources) -> None:
        self._env = env
        self.settings, self.served, self.of, self.owns = settings, served, informers.of, informers.owns

    @property
    def now(self) -> float:
        return self._env.now()
