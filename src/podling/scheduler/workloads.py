"""Which Pods belong together: those that a Service selects, or one workload made. For spreading what nobody spreads.

Asked once for all Pods of the same labels and workload; forgotten when a Service or a workload comes, goes or selects
otherwise.
"""

from __future__ import annotations

from typing import Any

from podling.api.kinds.core.pod import Pod
from podling.api.kinds.meta import LabelSelector
from podling.api.objects import Object
from podling.client.informer import Informer, Informers
from podling.client.resources import REPLICASETS, REPLICATIONCONTROLLERS, SERVICES, STATEFULSETS
from podling.reconcile import pods

OWNERS = {
    "ReplicaSet": REPLICASETS,
    "ReplicationController": REPLICATIONCONTROLLERS,
    "StatefulSet": STATEFULSETS,
}
MOST = 4096


class Workloads:
    """`listen` once the informers have synced."""

    def __init__(self, informers: Informers) -> None:
        self._services = informers.of(SERVICES)
        self._owners = {kind: informers.of(resource) for kind, resource in OWNERS.items()}
        self._known: dict[tuple[Any, ...], LabelSelector | None] = {}

    @property
    def informers(self) -> tuple[Informer, ...]:
        return (self._services, *self._owners.values())

    def listen(self) -> None:
        for informer in self.informers:
            informer.on_change(self._changed)

    def selector_of(self, pod: Pod) -> LabelSelector | None:
        """What selects the Pod and those it belongs with; None where nothing does."""
        owner = pods.controller_of(pod.metadata)
        meta = pod.metadata
        key = (meta.namespace, tuple(meta.labels.items()), owner.uid if owner is not None else "")
        if key not in self._known:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key] = self._find(pod)
        return self._known[key]

    def _find(self, pod: Pod) -> LabelSelector | None:
        meta = pod.metadata
        labels: dict[str, str] = {}
        for service in self._services.list(meta.namespace) if meta.labels else ():
            selector = service.view.spec.selector
            if selector and selector.items() <= meta.labels.items():
                labels |= selector
        own = self._own(pod)
        if own is None:
            return LabelSelector(match_labels=labels) if labels else None
        return LabelSelector(labels | own.match_labels, own.match_expressions)

    def _own(self, pod: Pod) -> LabelSelector | None:
        owner = pods.controller_of(pod.metadata)
        if owner is None or owner.kind not in self._owners:
            return None
        found = self._owners[owner.kind].get(pod.metadata.namespace, owner.name)
        if found is None or found.head.uid != owner.uid:
            return None
        return _selector(found)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None or _selector(old) != _selector(new):
            self._known.clear()


def _selector(found: Object) -> LabelSelector | None:
    selector = found.view.spec.selector
    if selector is None or isinstance(selector, LabelSelector):
        return selector
    return LabelSelector(match_labels=dict(selector)) if selector else None
