"""Pods that have ended are kept to be looked at, but not more than so many: then the oldest go.

Part of upstream's Pod garbage collector. It is about all of them at once, so it runs for one key, that of the
namespace kube-system, whenever a Pod ends; the runner sees to it that this is not often.
"""

from __future__ import annotations

from collections.abc import Iterable

from podling.api.kinds.core.pod import Pod
from podling.api.objects import Object, key_of
from podling.client.resources import NAMESPACES, PODS
from podling.reconcile import pods
from podling.reconcile.action import Delete, Plan
from podling.reconcile.batches import SLICE, evenly
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View

KEY = key_of(NAMESPACES.group, NAMESPACES.plural, "", "kube-system")


def reconcile(found: Object, view: View) -> Plan:
    """Groups: pauses while looking; deletions, those of evicted Pods first, then by age."""
    ended: list[Object] = []
    for some in evenly(view.of(PODS).list(), 4 * SLICE):
        ended += [each for each in some if pods.is_finished(each.view) and not each.head.deleting]
        yield []
    surplus = len(ended) - view.settings.terminated_pods
    if surplus > 0:
        yield from evenly([_deletion(each) for each in sorted(ended, key=_age)[:surplus]])


def _age(found: Object) -> tuple[bool, str, str]:
    pod: Pod = found.view
    return (pod.status.reason != "Evicted", pod.metadata.creation_timestamp, found.key)


def _deletion(found: Object) -> Delete:
    return Delete(PODS, found.head.namespace, found.head.name, found.head.uid, grace=0)


def _of_ended(pod: Object, view: View) -> Iterable[str]:
    return (KEY,) if pods.is_finished(pod.view) else ()


def _no_news(old: Object, new: Object) -> bool:
    return pods.is_finished(old.view) == pods.is_finished(new.view)


CONTROLLER = Controller(
    name="terminated-pod-garbage-collector",
    component="pod-garbage-collector",
    reconcile=reconcile,
    resource=NAMESPACES,
    watches=(Watch(PODS, _of_ended, _no_news),),
    relevant=lambda found: found.key == KEY,
)
