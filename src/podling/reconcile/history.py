"""The history of a StatefulSet's or DaemonSet's template: one ControllerRevision for each it ever had.

The data of a revision is a strategic merge patch that puts its template back, which is what `kubectl rollout undo`
applies; going back to an old template makes its revision the newest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from podling.api.objects import Object
from podling.client.resources import CONTROLLERREVISIONS
from podling.reconcile import templates
from podling.reconcile.action import Action, Create, Delete, Patch
from podling.reconcile.claiming import owner_reference

LABEL = "controller-revision-hash"
Json = dict[str, Any]


class History(msgspec.Struct, frozen=True):
    """`revisions` by number, the newest last; `present` is the one of the template as it is now."""

    owner: Object
    revisions: tuple[Object, ...]
    present: Object | None

    def named(self, name: str) -> Object | None:
        return next((each for each in self.revisions if each.head.name == name), None)

    @property
    def hash(self) -> str:
        collisions = self.owner.view.status.collision_count or 0
        return templates.hash_of(templates.plain(_template(self.owner)), collisions)

    @property
    def name(self) -> str:
        """Of the revision of the present template, made or not."""
        return self.present.head.name if self.present is not None else f"{self.owner.head.name}-{self.hash}"

    @property
    def next_number(self) -> int:
        return max((each.view.revision for each in self.revisions), default=0) + 1


def of(owner: Object, revisions: Iterable[Object]) -> History:
    listed = sorted(revisions, key=lambda each: (each.view.revision, each.head.name))
    wanted = templates.plain(_template(owner))
    present = next((each for each in reversed(listed) if templates.plain(template(each)) == wanted), None)
    return History(owner, tuple(listed), present)


def template(revision: Object) -> Json:
    """The Pod template that a revision remembers."""
    kept: Json = ((revision.view.data or {}).get("spec") or {}).get("template") or {}
    return {name: value for name, value in kept.items() if name != "$patch"}


def hash_label(revision: Object) -> str:
    return str(revision.head.labels.get(LABEL, ""))


def creation(history: History) -> Create:
    owner, kept = history.owner, _template(history.owner)
    labels = {**((kept.get("metadata") or {}).get("labels") or {}), LABEL: history.hash}
    given = owner.view.metadata.annotations
    annotations = {key: text for key, text in given.items() if not key.endswith("last-applied-configuration")}
    body = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": history.name,
            "namespace": owner.head.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner_reference(owner)],
        },
        "data": {"spec": {"template": {**kept, "$patch": "replace"}}},
        "revision": history.next_number,
    }
    return Create(CONTROLLERREVISIONS, owner.head.namespace, body)


def renewal(history: History) -> list[Action]:
    """The present revision becomes the newest again after a rollback."""
    present = history.present
    if present is None or present is history.revisions[-1]:
        return []
    body = {"metadata": {"uid": present.head.uid}, "revision": history.next_number}
    return [Patch(CONTROLLERREVISIONS, present.head.namespace, present.head.name, body)]


def expired(history: History, live: Collection[str]) -> list[Action]:
    """Beyond the limit the oldest go, but never those of `live` names."""
    limit = history.owner.view.spec.revision_history_limit
    dead = [each for each in history.revisions if each.head.name not in live and each is not history.present]
    if limit is None:
        return []
    return [
        Delete(CONTROLLERREVISIONS, each.head.namespace, each.head.name, each.head.uid)
        for each in dead[: max(0, len(dead) - limit)]
    ]


def _template(owner: Object) -> Json:
    found: Json = owner.json()["spec"].get("template") or {}
    return found
