"""The way of a component to the API, whichever it is: in-process, a Unix socket, HTTPS.

Controllers, scheduler, kubelet, proxy and dns are handed a `Transport` and never learn which. In-process, lists and
watches hand out the watch cache's own `Object`s (so a view is decoded once for all); over a socket they are made
from what was received.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

import msgspec

from podling.api.objects import Event, Object


class Resource(msgspec.Struct, frozen=True):
    """What is addressed: group, version and plural, e.g. Resource("apps", "v1", "replicasets")."""

    group: str
    version: str
    plural: str

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        for part in (f"namespaces/{namespace}" if namespace else "", self.plural, name, subresource):
            base += f"/{part}" if part else ""
        return base


class Answer(msgspec.Struct, frozen=True):
    """A successful answer to a write or a read of one object: its JSON with metadata.resourceVersion."""

    code: int
    object: dict[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def revision(self) -> int:
        return int(self.object.get("metadata", {}).get("resourceVersion") or 0)


class Listing(msgspec.Struct, frozen=True):
    items: Sequence[Object]
    revision: int


Verb = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


def selectors(labels: str, fields: str) -> list[tuple[str, str]]:
    """As parameters of a query; what selects everything is left out."""
    return [(name, text) for name, text in (("labelSelector", labels), ("fieldSelector", fields)) if text]


class Transport(Protocol):
    """The verbs. Every failure is an `api.errors.ApiError`; a lost connection is ServiceUnavailable."""

    async def request(
        self,
        verb: Verb,
        path: str,
        *,
        body: Any = None,
        query: Sequence[tuple[str, str]] = (),
        content_type: str = "application/json",
    ) -> Answer:
        """`body` is a JSON value; for patches `content_type` says which patch it is."""

    async def list(
        self, resource: Resource, *, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        """At a revision that is not older than the last answered write of this transport."""

    def watch(
        self,
        resource: Resource,
        *,
        since: int,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Event]]]:
        """Batches of events after the revision `since`; bookmarks have type BOOKMARK and an Object of revision only.
        Raises Expired where history is gone; ends (StopAsyncIteration) where the server closes."""
