"""LIST: from memory where it can be, from the store's log for later pages and past revisions.

Short lists are answered at once. Long ones flow in pieces of at most 64 KiB, and between slices of 64 objects the
loop is let go (DESIGN 4, 8): the objects of a list are values, so what is written meanwhile does not disturb it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, NamedTuple

from podling.api.errors import BadRequest, Expired
from podling.api.objects import Object
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.listoptions import EXACT, check_list
from podling.apiserver.endpoints.pieces import PIECE, SLICE, cut, flow, pieces_of
from podling.apiserver.endpoints.rendering import Renderer
from podling.apiserver.endpoints.revisions import reached, revision_of
from podling.apiserver.message import Outcome, Request, Response, Stream
from podling.apiserver.registry.continuetokens import Position
from podling.apiserver.registry.selectors import interest_of
from podling.apiserver.registry.served import Served
from podling.storage.interest import Interest
from podling.storage.interface import Compacted

SCAN = 1000
PAGE_READ = 500


class Selection(NamedTuple):
    """Which objects: the prefix of their keys, and what else must hold (`selective`: anything at all)."""

    prefix: str
    interest: Interest
    selective: bool


class Page(NamedTuple):
    objects: Sequence[Object]
    revision: int
    next_key: str = ""
    remaining: int | None = None


def list_(backend: Backend, request: Request) -> Outcome | Awaitable[Outcome]:
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    selection = selection_of(served, request)
    renderer = Renderer(backend, request, served, listing=True)
    limit = _number(request, "limit")
    token = request.param("continue")
    match = request.param("resourceVersionMatch")
    revision = revision_of(request)
    check_list(request)
    if token:
        position = backend.continue_tokens.read(token, selection.prefix)
        return _past(backend, renderer, selection, position.revision, position.after, limit)
    if revision and (match == EXACT or (limit and not match)):
        return _past(backend, renderer, selection, revision, "", limit)
    if revision is not None and revision > backend.cache.revision:
        return _later(backend, renderer, selection, revision, limit)
    return _present(backend, renderer, selection, limit)


def selection_of(served: Served, request: Request) -> Selection:
    """What the request's path and selectors say. Raises BadRequest."""
    target = request.target
    assert target is not None
    labels, fields = request.param("labelSelector"), request.param("fieldSelector")
    interest = interest_of(
        target.namespace, target.name, labels, fields, served.kind.field_names, served.entry.field_names
    )
    return Selection(served.prefix(interest.namespace), interest, bool(labels or fields or target.name))


def _present(backend: Backend, renderer: Renderer, selection: Selection, limit: int) -> Outcome | Awaitable[Outcome]:
    """The first page, or all, from memory."""
    cache, interest = backend.cache, selection.interest
    if interest.name and interest.namespace:
        found = cache.get(f"{selection.prefix}{interest.name}")
        objects: Sequence[Object] = () if found is None else (found,)
    elif node := interest.fields.get("spec.nodeName"):
        objects = cache.having(selection.prefix, "spec.nodeName", node)
    elif limit and not selection.selective:
        objects = cache.list(selection.prefix, limit=limit)
        left = cache.count(selection.prefix) - len(objects)
        page = Page(objects, cache.revision, objects[-1].key if left else "", left if left else None)
        return _answer(backend, renderer, selection.prefix, page)
    else:
        objects = cache.list(selection.prefix)
    if selection.selective and len(objects) > SCAN:
        return _selected(backend, renderer, selection, objects, cache.revision, limit)
    if selection.selective:
        objects = [obj for obj in objects if interest.concerns(obj.head)]
    return _first(backend, renderer, selection, objects, cache.revision, limit)


async def _selected(
    backend: Backend, renderer: Renderer, selection: Selection, objects: Sequence[Object], revision: int, limit: int
) -> Outcome:
    """The same over many objects, in slices."""
    found: list[Object] = []
    for start in range(0, len(objects), SCAN):
        found += [obj for obj in objects[start : start + SCAN] if selection.interest.concerns(obj.head)]
        await asyncio.sleep(0)
    return _first(backend, renderer, selection, found, revision, limit)


def _first(
    backend: Backend, renderer: Renderer, selection: Selection, objects: Sequence[Object], revision: int, limit: int
) -> Outcome:
    page = Page(objects, revision)
    if limit and len(objects) > limit:
        page = Page(objects[:limit], revision, objects[limit - 1].key)
    return _answer(backend, renderer, selection.prefix, page)


async def _later(backend: Backend, renderer: Renderer, selection: Selection, revision: int, limit: int) -> Outcome:
    await reached(backend, revision)
    outcome = _present(backend, renderer, selection, limit)
    return outcome if isinstance(outcome, Response | Stream) else await outcome  # type: ignore[misc]


async def _past(
    backend: Backend, renderer: Renderer, selection: Selection, revision: int, after: str, limit: int
) -> Outcome:
    """A page as it was at `revision`, from the store."""
    await reached(backend, revision)
    found: list[Object] = []
    while True:
        wanted = PAGE_READ if selection.selective or not limit else limit
        try:
            read = await backend.storage.list(selection.prefix, at=revision, after=after, limit=wanted)
        except Compacted:
            raise _too_old(backend, selection.prefix, after) from None
        for index, obj in enumerate(backend.cache.objects(read.rows), 1):
            if not selection.selective or selection.interest.concerns(obj.head):
                found.append(obj)
            if limit and len(found) == limit:
                left = len(read.rows) - index + read.remaining
                page = Page(
                    found, revision, obj.key if left else "", left if left and not selection.selective else None
                )
                return _answer(backend, renderer, selection.prefix, page)
        if not read.remaining:
            return _answer(backend, renderer, selection.prefix, Page(found, revision))
        after = read.rows[-1].key


def _too_old(backend: Backend, prefix: str, after: str) -> Expired:
    if not after:
        return Expired("The resourceVersion for the provided list is too old.")
    # Upstream's "inconsistent continue": the rest of the list as it is now, for clients that accept that.
    token = backend.continue_tokens.sign(Position(backend.cache.revision, prefix, after))
    return InconsistentContinue(token)


class InconsistentContinue(Expired):
    """A continue token below the compaction mark; the status brings a token to go on with at the present."""

    def __init__(self, token: str) -> None:
        super().__init__(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list "
            "without the continue parameter, or use the continue token in this response to retrieve the remainder of "
            "the results. Continuing with the provided token results in an inconsistent list - objects that were "
            "created, modified, or deleted between the time the first chunk was returned and now may show up in the "
            "list."
        )
        self._token = token

    def status(self) -> dict[str, Any]:
        return super().status() | {"metadata": {"continue": self._token}}


def _answer(backend: Backend, renderer: Renderer, prefix: str, page: Page) -> Outcome:
    metadata: dict[str, Any] = {"resourceVersion": str(page.revision)}
    if page.next_key:
        metadata["continue"] = backend.continue_tokens.sign(Position(page.revision, prefix, page.next_key))
    if page.remaining is not None:
        metadata["remainingItemCount"] = page.remaining
    head, tail = renderer.list_head(metadata)
    if len(page.objects) <= SLICE:
        body = head + b",".join(map(renderer.listed, page.objects)) + tail
        return Response(200, body if len(body) <= PIECE else cut(body))
    if renderer.form.shape or renderer.served.waits:
        ready = renderer.served.ready if renderer.served.waits else None
        return Stream(lambda sink: flow(sink, head, pieces_of(page.objects, renderer.listed, ready), tail))
    if known := backend.pieces.known(renderer.served, prefix, page.objects):
        return Response(200, (head, *known, tail))
    return Stream(lambda sink: flow(sink, head, backend.pieces.made(renderer.served, prefix, page.objects), tail))


def _number(request: Request, name: str) -> int:
    text = request.param(name)
    try:
        number = int(text) if text else 0
    except ValueError:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    return max(number, 0)
