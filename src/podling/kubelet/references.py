"""The ConfigMaps and Secrets that Pods of this node refer to: each watched once, for as long as a Pod needs it.

One informer an object, as upstream's kubelet does it, so a node sees no more of the cluster's secrets than its Pods do,
and an update reaches the files without polling. An immutable one is read once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from podling.api.kinds.certificates.clustertrustbundle import ClusterTrustBundle
from podling.api.kinds.core.configmap import ConfigMap
from podling.api.kinds.core.secret import Secret
from podling.api.objects import Object
from podling.client.informer import Informer
from podling.client.resources import CLUSTERTRUSTBUNDLES, CONFIGMAPS, SECRETS
from podling.client.transport import Resource, Transport
from podling.env import Env
from podling.supervise import Supervisor

Key = tuple[Resource, str, str]
"""Resource, namespace, name; without a name all of them."""


class _Watched:
    """One object, and who wants to hear of it (by Pod uid)."""

    def __init__(self, informer: Informer) -> None:
        self.informer = informer
        self.users: dict[str, Callable[[], None]] = {}
        self.task: asyncio.Task[None] | None = None
        informer.on_change(self._changed)

    async def view(self, namespace: str, name: str) -> Any:
        """As it is now. What is immutable is from now on no longer watched."""
        await self.informer.wait_synced()
        found = self.informer.get(namespace, name)
        if found is None:
            return None
        if found.view.immutable:
            self.rest()
        return found.view

    def rest(self) -> None:
        """Watch no longer; what was seen last stays readable."""
        if self.task is not None:
            self.task.cancel()
            self.task = None

    def _changed(self, old: Object | None, new: Object | None) -> None:
        for wake in tuple(self.users.values()):
            wake()


class References:
    """`use` before reading, `release` when the Pod is gone."""

    def __init__(self, transport: Transport, env: Env, tasks: Supervisor) -> None:
        self._transport, self._env, self._tasks = transport, env, tasks
        self._watched: dict[Key, _Watched] = {}

    async def use(
        self, pod_uid: str, namespace: str, config_maps: Iterable[str], secrets: Iterable[str], wake: Callable[[], None]
    ) -> tuple[dict[str, ConfigMap | None], dict[str, Secret | None]]:
        """The objects as they are now (None: does not exist); `wake` is called when one of them changes."""
        # All are asked for before the first is waited for.
        found = {name: self._used(pod_uid, (CONFIGMAPS, namespace, name), wake) for name in config_maps}
        hidden = {name: self._used(pod_uid, (SECRETS, namespace, name), wake) for name in secrets}
        return (
            {name: await watched.view(namespace, name) for name, watched in found.items()},
            {name: await watched.view(namespace, name) for name, watched in hidden.items()},
        )

    async def bundles(self, pod_uid: str, wake: Callable[[], None]) -> tuple[ClusterTrustBundle, ...]:
        """All trust bundles there are: a Pod may ask for those of a signer, whatever they are called."""
        watched = self._used(pod_uid, (CLUSTERTRUSTBUNDLES, "", ""), wake)
        await watched.informer.wait_synced()
        return tuple(found.view for found in watched.informer.list())

    def release(self, pod_uid: str) -> None:
        for key, watched in tuple(self._watched.items()):
            watched.users.pop(pod_uid, None)
            if not watched.users:
                del self._watched[key]
                watched.rest()

    def _used(self, pod_uid: str, key: Key, wake: Callable[[], None]) -> _Watched:
        watched = self._watched.get(key)
        if watched is None:
            watched = self._watched[key] = self._watch(key)
        watched.users.setdefault(pod_uid, wake)
        return watched

    def _watch(self, key: Key) -> _Watched:
        resource, namespace, name = key
        selector = f"metadata.name={name}" if name else ""
        informer = Informer(self._transport, resource, self._env, namespace=namespace, field_selector=selector)
        watched = _Watched(informer)
        watched.task = self._tasks.start(f"{resource.plural} {namespace}/{name}", informer.run())
        return watched
