"""What a request says about revisions, checked and waited for (Kubernetes API concepts, "Resource versions")."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from podling.api.errors import BadRequest, Cause, Timeout
from podling.apiserver.backend import Backend
from podling.apiserver.message import Request
from podling.storage.interface import Changed, KeyNotFound

WAIT_SECONDS = 3.0


def revision_of(request: Request) -> int | None:
    """The resourceVersion of a request; None where it gives none. Raises BadRequest."""
    text = request.param("resourceVersion")
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise BadRequest(f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


async def reached(backend: Backend, revision: int) -> None:
    """Wait a little for a revision that is not here yet. Raises Timeout as upstream does for a too large one."""
    if revision <= backend.cache.revision:
        return
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await backend.cache.reached(revision)
    except TimeoutError:
        raise Timeout(
            f"Too large resource version: {revision}, current: {backend.cache.revision}",
            causes=[Cause("ResourceVersionTooLarge", "Too large resource version")],
            retry_after=1,
        ) from None


async def caught_up(backend: Backend, lost: Changed | KeyNotFound) -> None:
    """After a lost race: until the winner's write, which may not be committed yet, can be read."""
    revision = lost.current.revision if isinstance(lost, Changed) else backend.cache.revision + 1
    # A winner whose batch failed never comes; then what can be read is the truth again.
    with suppress(TimeoutError):
        async with asyncio.timeout(WAIT_SECONDS):
            await backend.cache.reached(revision)
