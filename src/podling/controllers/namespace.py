"""Namespace: when one is deleted, everything in it goes first, Pods before all else (KEP-5080).

Contents are known from the informers, but that nothing is left is asked of the API itself before the finalizer is
taken away: an object must never outlive its namespace unseen. What still stands is told in the conditions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from podling.api.objects import Object, key_of
from podling.client.resources import NAMESPACES, PODS
from podling.env import rfc3339
from podling.reconcile.action import Action, Again, Delete, DeleteAll, Empty, Plan, Update
from podling.reconcile.controller import Controller
from podling.reconcile.view import Served, View

FINALIZER = "kubernetes"
DISCOVER_AGAIN = 1.0
DISCOVERY = "NamespaceDeletionDiscoveryFailure"
RESOURCE = "NamespaceContentRemaining"
FINALIZERS = "NamespaceFinalizersRemaining"
# (type, reason and message while all is well)
CONDITIONS = (
    (DISCOVERY, "ResourcesDiscovered", "All resources successfully discovered"),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    (RESOURCE, "ContentRemoved", "All content successfully removed"),
    (FINALIZERS, "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
)

Json = dict[str, Any]


def reconcile(found: Object, view: View) -> Plan:
    if not found.head.deleting or FINALIZER not in found.view.spec.finalizers:
        return
    name = found.head.name
    contents = _contents(name, view)
    condition_updates = _status(found, contents, view)
    asked = [served for served in _namespaced(view) if _version(served) not in view.served.unknown]
    here = [served for served in asked if served.resource == PODS or not contents.get(PODS.plural)]
    deletions = [action for served in here if _living(served, name, view) for action in _deleting(served, name, view)]
    if condition_updates or deletions:
        yield [*condition_updates, *deletions]
    if view.served.unknown:
        yield [Again(DISCOVER_AGAIN)]
        return
    if contents:
        # Every object that goes brings this namespace here again.
        return
    yield [Empty(served.resource, name) for served in _namespaced(view)]
    yield [_finalize(found)]


def _namespaced(view: View) -> Iterable[Served]:
    return (served for served in view.served if served.namespaced and "delete" in served.verbs)


def _version(served: Served) -> str:
    return f"{served.resource.group}/{served.resource.version}"


def _living(served: Served, namespace: str, view: View) -> bool:
    """Something is there that nobody has asked to go yet."""
    return any(not each.head.deleting for each in view.of(served.resource).list(namespace))


def _deleting(served: Served, namespace: str, view: View) -> Iterable[Action]:
    """Servers of others may know no deletion of many at once."""
    if "deletecollection" in served.verbs:
        return [DeleteAll(served.resource, namespace)]
    living = [each for each in view.of(served.resource).list(namespace) if not each.head.deleting]
    return [Delete(served.resource, namespace, each.head.name, each.head.uid) for each in living]


def _contents(namespace: str, view: View) -> dict[str, list[Object]]:
    """By resource as upstream names it, `replicasets.apps`."""
    found = {
        f"{served.resource.plural}.{served.resource.group}".rstrip("."): view.of(served.resource).list(namespace)
        for served in _namespaced(view)
    }
    return {name: objects for name, objects in found.items() if objects}


def _status(found: Object, contents: dict[str, list[Object]], view: View) -> list[Action]:
    """The conditions, written only where one of them says something new."""
    said = {kind: ("False", reason, message) for kind, reason, message in CONDITIONS}
    if unknown := view.served.unknown:
        listed = ", ".join(f"{each}: stale GroupVersion discovery: {each}" for each in unknown)
        text = f"unable to retrieve the complete list of server APIs: {listed}"
        said[DISCOVERY] = (
            "True",
            "DiscoveryFailed",
            f"Discovery failed for some groups, {len(unknown)} failing: {text}",
        )
    if contents:
        counts = ", ".join(
            f"{name} has {len(objects)} resource instances" for name, objects in sorted(contents.items())
        )
        said[RESOURCE] = ("True", "SomeResourcesRemain", f"Some resources are remaining: {counts}")
    held = Counter(
        finalizer
        for objects in contents.values()
        for each in objects
        if each.head.deleting
        for finalizer in each.view.metadata.finalizers
    )
    if held:
        counts = ", ".join(f"{finalizer} in {count} resource instances" for finalizer, count in sorted(held.items()))
        said[FINALIZERS] = (
            "True",
            "SomeFinalizersRemain",
            f"Some content in the namespace has finalizers remaining: {counts}",
        )
    known = {each.type: each for each in found.view.status.conditions}
    if not contents and not known and not unknown:
        return []
    if all(kind in known and _text(known[kind]) == text for kind, text in said.items()):
        return []
    now = rfc3339(view.now)
    conditions: list[Json] = []
    for kind, (status, reason, message) in said.items():
        since = known[kind].last_transition_time if kind in known and known[kind].status == status else now
        conditions.append(
            {"type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
        )
    body = found.json()
    body.setdefault("status", {})["conditions"] = conditions
    return [Update(NAMESPACES, "", found.head.name, body, "status")]


def _text(condition: Any) -> tuple[str, str, str]:
    return (condition.status, condition.reason, condition.message)


def _finalize(found: Object) -> Update:
    """Without resourceVersion: the conditions written a moment ago must not stand in the way."""
    body = found.json()
    body["metadata"].pop("resourceVersion", None)
    body["spec"]["finalizers"] = [each for each in body["spec"]["finalizers"] if each != FINALIZER]
    return Update(NAMESPACES, "", found.head.name, body, "finalize")


def _namespace_of(changed: Object, view: View) -> Iterable[str]:
    """A change inside a namespace that is being deleted brings it here; otherwise it is nobody's business."""
    namespace = view.of(NAMESPACES).get("", changed.head.namespace) if changed.head.namespace else None
    if namespace is None or not namespace.head.deleting:
        return ()
    return (key_of(NAMESPACES.group, NAMESPACES.plural, "", namespace.head.name),)


CONTROLLER = Controller(
    name="namespace",
    component="namespace-controller",
    reconcile=reconcile,
    resource=NAMESPACES,
    everything=True,
    relevant=lambda found: found.head.deleting,
    related=_namespace_of,
)
