"""ReplicaSet: as many Pods of the template as were asked for.

How they are kept is in `reconcile/replicas.py`; here is which Pods and which ReplicaSets concern each other.
"""

from __future__ import annotations

from collections.abc import Iterable

from podling.api.objects import Object, key_of
from podling.client.resources import PODS, REPLICASETS
from podling.reconcile import pods, replicas
from podling.reconcile.action import Plan
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.selectors import matches
from podling.reconcile.view import View


def reconcile(found: Object, view: View) -> Plan:
    selector = found.view.spec.selector
    return () if selector is None else replicas.keep(found, selector, view, REPLICASETS)


def _concerned(pod: Object, view: View) -> Iterable[str]:
    """The ReplicaSet that controls a Pod; for an orphan, all that might adopt it."""
    owner = pods.controller_of(pod.view.metadata)
    if owner is not None:
        return (_key(pod.head.namespace, owner.name),) if owner.kind == "ReplicaSet" else ()
    return [
        each.key
        for each in view.of(REPLICASETS).list(pod.head.namespace)
        if (selector := each.view.spec.selector) is not None and matches(selector, pod.head.labels)
    ]


def _key(namespace: str, name: str) -> str:
    return key_of(REPLICASETS.group, REPLICASETS.plural, namespace, name)


CONTROLLER = Controller(
    name="replicaset",
    component="replicaset-controller",
    reconcile=reconcile,
    resource=REPLICASETS,
    watches=(Watch(PODS, _concerned, pods.same_standing),),
)
