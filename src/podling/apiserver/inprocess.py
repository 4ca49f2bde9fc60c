"""`client.Transport` without a socket: for controllers and the scheduler, in the server's own process.

Writes pass the same filters and endpoints as everybody's. Lists and watches hand out the watch cache's own objects,
so a typed view is decoded once for all who look at it (DESIGN 5).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson

from podling.api.errors import BadRequest, InternalError, NotFound, ServiceUnavailable, from_status
from podling.api.objects import Event, Object
from podling.apiserver.aggregation import elsewhere
from podling.apiserver.authorization.question import question_about
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.revisions import reached
from podling.apiserver.filters.authorization import refusal
from podling.apiserver.filters.chain import Chain
from podling.apiserver.message import Request, Response, Stream, User
from podling.apiserver.registry.selectors import interest_of
from podling.apiserver.registry.served import Served
from podling.apiserver.routing import Target
from podling.client.transport import Answer, Listing, Resource, Verb, selectors
from podling.storage.interest import Interest
from podling.storage.interface import StorageError

LONGEST_TEXT = 1024


class InProcessTransport:
    """Made by `ApiServer.transport(user, groups)`."""

    def __init__(self, chain: Chain, backend: Backend, user: User) -> None:
        self._chain, self._backend, self._user = chain, backend, user

    async def request(
        self,
        verb: Verb,
        path: str,
        *,
        body: Any = None,
        query: Sequence[tuple[str, str]] = (),
        content_type: str = "application/json",
    ) -> Answer:
        """See `client.transport.Transport`."""
        data = b"" if body is None else orjson.dumps(body)
        request = Request(verb, path, query, {"content-type": content_type}, data, in_process=True)
        request.user = self._user
        outcome = await self._chain.handle(request)
        if isinstance(outcome, Stream):
            outcome = await outcome.collected()
        if not isinstance(outcome, Response):
            raise InternalError(f"{verb} {path} leaves HTTP")
        raw = outcome.body if isinstance(outcome.body, bytes) else b"".join(outcome.body)
        value = _value(raw)
        if outcome.status >= 400:
            raise from_status(value, outcome.status)
        return Answer(outcome.status, value, tuple(request.warnings))

    async def list(
        self, resource: Resource, *, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        """The cache's own objects, at its present revision; of what is not ours, those another server tells of."""
        served = self._served(resource)
        if served is None:
            query = selectors(label_selector, field_selector)
            return await elsewhere.listed(self._chain, self._user, resource, namespace, query)
        self._require("list", resource, namespace, field_selector)
        interest = interest_of(namespace, "", label_selector, field_selector, served.kind.field_names)
        cache = self._backend.cache
        found: Sequence[Object]
        if node := interest.fields.get("spec.nodeName"):
            found = cache.having(served.prefix(namespace), "spec.nodeName", node)
        else:
            found = cache.list(served.prefix(interest.namespace))
        if label_selector or field_selector:
            found = [obj for obj in found if interest.concerns(obj.head)]
        return Listing(found, cache.revision)

    @asynccontextmanager
    async def watch(
        self,
        resource: Resource,
        *,
        since: int,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[AsyncIterator[Sequence[Event]]]:
        """See `client.transport.Transport`."""
        served = self._served(resource)
        if served is None:
            query = [("resourceVersion", str(since)), *selectors(label_selector, field_selector)]
            async with elsewhere.watched(self._chain, self._user, resource, namespace, query) as batches:
                yield batches
            return
        self._require("watch", resource, namespace, field_selector)
        interest: Interest = interest_of(namespace, "", label_selector, field_selector, served.kind.field_names)
        await reached(self._backend, since)
        async with self._backend.cache.watch(served.prefix(), since=since, interest=interest) as events:
            yield _until_closed(events)

    def _require(self, verb: str, resource: Resource, namespace: str, field_selector: str) -> None:
        """Raises Forbidden, as the filters do for what comes as a request."""
        target = Target(verb, resource.group, resource.version, resource.plural, namespace)
        question = question_about(self._user, target, field_selector)
        decision = self._backend.authorizer.decide(question)
        if not decision.allowed:
            raise refusal(question, decision.reason)

    def _served(self, resource: Resource) -> Served | None:
        """None where we do not serve it: perhaps somebody else does."""
        try:
            served = self._backend.resources.get(resource.group, resource.version, resource.plural)
        except NotFound:
            return None
        if not served.entry.is_hub:
            hub = served.hub.api_version
            raise BadRequest(f"in-process components read {resource.plural} as {hub}, not {served.api_version}")
        return served


async def _until_closed(events: AsyncIterator[Sequence[Event]]) -> AsyncIterator[Sequence[Event]]:
    try:
        async for batch in events:
            yield batch
    except StorageError as error:
        raise ServiceUnavailable(f"the store has ended: {error}") from error


def _value(raw: bytes) -> dict[str, Any]:
    """The answer's JSON; of another server's plain text an error's message."""
    try:
        value: dict[str, Any] = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError:
        return {"message": raw[:LONGEST_TEXT].decode("utf-8", "replace").strip()}
    return value
