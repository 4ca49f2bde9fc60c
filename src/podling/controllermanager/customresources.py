"""Custom resources as the controllers see them: what a CRD brings is looked at from then on, by those who look at all.

A resource is told to nobody before its informer has listed it: the garbage collector must not take an owner for absent
that was never looked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from podling.api.objects import Object
from podling.client.informer import Informers
from podling.client.transport import Resource
from podling.reconcile.view import Served, ServedResources
from podling.supervise import Supervisor

DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Reader(Protocol):
    """A runner of a controller that may look at everything."""

    def attend(self, resource: Resource) -> None: ...
    def forget(self, resource: Resource) -> None: ...


class CustomResources:
    """`listen` once the informers run; `known` is changed in place as CRDs come and go."""

    def __init__(self, informers: Informers, known: ServedResources, readers: tuple[Reader, ...]) -> None:
        self._informers, self._known, self._readers = informers, known, readers
        self._now: dict[str, Served] = {}

    def listen(self, tasks: Supervisor) -> None:
        """Tasks that wait for a new resource's first list are the supervisor's."""
        self._informers.of(DEFINITIONS).on_change(self._changed(tasks))

    def _changed(self, tasks: Supervisor) -> Callable[[Object | None, Object | None], None]:
        def changed(old: Object | None, new: Object | None) -> None:
            name = (new or old).head.name  # type: ignore[union-attr]
            served = None if new is None else served_of(new.json())
            before = self._now.get(name)
            if served == before:
                return
            if before is not None:
                self._withdraw(name, before)
            if served is not None:
                self._now[name] = served
                tasks.start(f"custom resource {name}", self._add(name, served))

        return changed

    async def _add(self, name: str, served: Served) -> None:
        await self._informers.of(served.resource).wait_synced()
        if self._now.get(name) == served:
            self._known.add(served)
            for reader in self._readers:
                reader.attend(served.resource)

    def _withdraw(self, name: str, served: Served) -> None:
        del self._now[name]
        self._known.remove(served)
        for reader in self._readers:
            reader.forget(served.resource)
        self._informers.drop(served.resource)


def served_of(crd: dict[str, Any]) -> Served | None:
    """An established CRD's resource in its stored version; None while it is not served."""
    conditions = (crd.get("status") or {}).get("conditions") or ()
    if not any(each.get("type") == "Established" and each.get("status") == "True" for each in conditions):
        return None
    spec = crd["spec"]
    stored = next((each for each in spec["versions"] if each.get("storage") and each.get("served")), None)
    if stored is None:
        return None
    resource = Resource(spec["group"], stored["name"], spec["names"]["plural"])
    return Served(resource, spec["names"]["kind"], spec["scope"] == "Namespaced", VERBS)
