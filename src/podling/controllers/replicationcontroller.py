"""ReplicationController: the ReplicaSet's predecessor, kept by the same rules with a plain map as selector."""

from __future__ import annotations

from collections.abc import Iterable

from podling.api.kinds.meta import LabelSelector
from podling.api.objects import Object, key_of
from podling.client.resources import PODS, REPLICATIONCONTROLLERS
from podling.reconcile import pods, replicas
from podling.reconcile.action import Plan
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View


def reconcile(found: Object, view: View) -> Plan:
    selector = found.view.spec.selector
    if not selector:
        return ()
    return replicas.keep(found, LabelSelector(match_labels=selector), view, REPLICATIONCONTROLLERS)


def _concerned(pod: Object, view: View) -> Iterable[str]:
    """The controller of a Pod; for an orphan, all that might adopt it."""
    owner = pods.controller_of(pod.view.metadata)
    if owner is not None:
        is_ours = owner.kind == "ReplicationController"
        return (_key(pod.head.namespace, owner.name),) if is_ours else ()
    labels = pod.head.labels.items()
    return [
        each.key
        for each in view.of(REPLICATIONCONTROLLERS).list(pod.head.namespace)
        if each.view.spec.selector and each.view.spec.selector.items() <= labels
    ]


def _key(namespace: str, name: str) -> str:
    return key_of(REPLICATIONCONTROLLERS.group, REPLICATIONCONTROLLERS.plural, namespace, name)


CONTROLLER = Controller(
    name="replicationcontroller",
    component="replication-controller",
    reconcile=reconcile,
    resource=REPLICATIONCONTROLLERS,
    watches=(Watch(PODS, _concerned, pods.same_standing),),
)
