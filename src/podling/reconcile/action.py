"""What a controller may decide: actions, in groups, in order.

A plan is a sequence of groups. Within a group the order means nothing and all is written at once (one commit of the
store); the next group begins when the one before it succeeded entirely. A failure ends the plan; the runner backs
off, remembers the error (`View.failure`) and asks again. What has to be true at the moment of writing, and not only
when it was last seen, is an action too: `Absent`, `Present`, `Empty` ask the API and fail where it is not so.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any

import msgspec

from podling.api.errors import ApiError
from podling.api.objects import Object
from podling.client.events import Reference
from podling.client.rest import PatchKind, Propagation
from podling.client.transport import Resource


class Tell(msgspec.Struct, frozen=True):
    """An event. As an outcome of a write, `{name}` in the message is what was written and `{error}` why not."""

    about: Reference
    type: str
    reason: str
    message: str


class Create(msgspec.Struct, frozen=True):
    resource: Resource
    namespace: str
    body: dict[str, Any]
    done: Tell | None = None
    failed: Tell | None = None


class Update(msgspec.Struct, frozen=True):
    """A whole object (locked where the body has a resourceVersion) or a subresource such as `status`."""

    resource: Resource
    namespace: str
    name: str
    body: dict[str, Any]
    subresource: str = ""


class Patch(msgspec.Struct, frozen=True):
    resource: Resource
    namespace: str
    name: str
    body: Any
    kind: PatchKind = "merge"
    subresource: str = ""


class Delete(msgspec.Struct, frozen=True):
    """Deletes exactly this uid; that it is gone already is a success."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    propagation: Propagation | None = None
    grace: int | None = None
    revision: int = 0
    done: Tell | None = None
    failed: Tell | None = None


class DeleteAll(msgspec.Struct, frozen=True):
    """All objects of a resource in a namespace."""

    resource: Resource
    namespace: str


class Absent(msgspec.Struct, frozen=True):
    """Fails unless no object of this name has this uid ("": any), as the API says now."""

    resource: Resource
    namespace: str
    name: str
    uid: str


class Present(msgspec.Struct, frozen=True):
    """Fails unless the object has this uid and is not being deleted, as the API says now."""

    resource: Resource
    namespace: str
    name: str
    uid: str


class Empty(msgspec.Struct, frozen=True):
    """Fails unless the namespace has no object of the resource, as the API says now."""

    resource: Resource
    namespace: str


class Ask(msgspec.Struct, frozen=True):
    """A GET of what no informer knows: a scale, metrics. The plan has to be a generator; it is sent the `Answers` of
    the group, and a failure is an answer too."""

    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: dict[str, Any] | None = None
    """Makes it a POST: a review, of which nothing is kept."""


class Remember(msgspec.Struct, frozen=True):
    """Keep a frozen value for the next run of this key (`View.remembered`), as long as the process and the object."""

    value: Any


class Again(msgspec.Struct, frozen=True):
    """Reconcile this key again after some seconds even if nothing changes."""

    after: float


Action = Create | Update | Patch | Delete | DeleteAll | Absent | Present | Empty | Ask | Remember | Tell | Again
Group = Sequence[Action]
Plan = Iterable[Group]
Answers = Sequence[dict[str, Any] | ApiError]
"""To the questions of a group, in their order."""
Asking = Generator[Group, Answers, None]
"""A plan that asks: `answers = yield [Ask(…)]`."""


def reference(to: Object) -> Reference:
    """The ObjectReference of an object whose view has a kind and apiVersion."""
    view = to.view
    return Reference(
        api_version=view.api_version,
        kind=view.kind,
        name=to.head.name,
        namespace=to.head.namespace,
        uid=to.head.uid,
        resource_version=str(to.revision),
    )
