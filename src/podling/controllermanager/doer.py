"""Carries actions out: one method per action, no decisions about Kubernetes.

Every write answers with a `Sight`: what must be visible in the informer before the same key may be decided about
again. A lost answer (the connection broke after the request) may or may not have been carried out, so the API is
asked for the newest revision of that resource and that is what has to be seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from podling.api.errors import ApiError, Conflict, NotFound, ServiceUnavailable, Timeout
from podling.api.objects import key_of
from podling.client.events import Reference
from podling.client.rest import Rest
from podling.client.transport import Answer, Resource, Verb
from podling.reconcile.action import (
    Absent,
    Action,
    Again,
    Ask,
    Create,
    Delete,
    DeleteAll,
    Empty,
    Group,
    Patch,
    Present,
    Remember,
    Tell,
    Update,
)


class Sight(msgspec.Struct, frozen=True):
    """To be seen: the resource at `revision`, or the object `key` with `uid` gone or terminating.

    `asked`: nobody could be asked yet what the newest revision in `namespace` is; that comes first.
    """

    resource: Resource
    revision: int = 0
    key: str = ""
    uid: str = ""
    namespace: str = ""
    asked: bool = True


class Outcome(msgspec.Struct, frozen=True):
    sights: tuple[Sight, ...] = ()
    failure: ApiError | None = None
    again: float | None = None
    answers: tuple[dict[str, Any] | ApiError, ...] = ()
    kept: Remember | None = None


class NotYet(ApiError):
    """A condition of a plan does not hold (any more): decide again."""

    code, reason = 409, "Conflict"


Teller = Callable[[Reference, str, str, str], None]
Journal = Callable[[str], None]
"""Told every action and what came of it, one line each."""


class Doer:
    def __init__(self, rest: Rest, tell: Teller, journal: Journal | None = None) -> None:
        self._rest, self._tell, self._journal = rest, tell, journal

    async def carry_out(self, group: Group) -> Outcome:
        """All actions at once; returns when every one of them has ended."""
        outcomes = await asyncio.gather(*(self._one(action) for action in group))
        agains = [outcome.again for outcome in outcomes if outcome.again is not None]
        return Outcome(
            sights=tuple(sight for outcome in outcomes for sight in outcome.sights),
            failure=next((outcome.failure for outcome in outcomes if outcome.failure is not None), None),
            again=min(agains, default=None),
            answers=tuple(answer for outcome in outcomes for answer in outcome.answers),
            kept=next((outcome.kept for outcome in outcomes if outcome.kept is not None), None),
        )

    async def _one(self, action: Action) -> Outcome:
        try:
            outcome = await self._do(action)
        except (ServiceUnavailable, Timeout) as error:
            outcome = Outcome(sights=await self._after_loss(action), failure=error)
        except ApiError as error:
            outcome = Outcome(failure=error)
        if self._journal is not None and not isinstance(action, Remember):
            self._journal(_line(action, outcome))
        if outcome.failure is not None and isinstance(action, Create | Delete) and action.failed is not None:
            self._say(action.failed, "", str(outcome.failure))
        return outcome

    async def _do(self, action: Action) -> Outcome:
        match action:
            case Create(resource, namespace, body, done):
                answer = await self._rest.create(resource, namespace, body)
                self._say(done, str(answer.object.get("metadata", {}).get("name", "")), "")
                return _seen(resource, answer)
            case Update(resource, namespace, name, body, subresource):
                return _seen(
                    resource, await self._rest.update(resource, namespace, name, body, subresource=subresource)
                )
            case Patch(resource, namespace, name, body, kind, subresource):
                answer = await self._rest.patch(resource, namespace, name, body, kind=kind, subresource=subresource)
                return _seen(resource, answer)
            case Delete():
                return await self._delete(action)
            case DeleteAll(resource, namespace):
                return _seen(resource, await self._rest.delete_collection(resource, namespace))
            case Tell():
                self._say(action, "", "")
                return Outcome()
            case Ask():
                return await self._ask(action)
            case Remember():
                return Outcome(kept=action)
            case Again(after):
                return Outcome(again=after)
            case Absent() | Present() | Empty():
                await self._verify(action)
                return Outcome()

    async def _ask(self, action: Ask) -> Outcome:
        try:
            verb: Verb = "GET" if action.body is None else "POST"
            answer = await self._rest.transport.request(verb, action.path, query=action.query, body=action.body)
        except ApiError as error:
            return Outcome(answers=(error,))
        return Outcome(answers=(answer.object,))

    async def _delete(self, action: Delete) -> Outcome:
        key = key_of(action.resource.group, action.resource.plural, action.namespace, action.name)
        try:
            await self._rest.delete(
                action.resource,
                action.namespace,
                action.name,
                uid=action.uid,
                revision=action.revision,
                grace=action.grace,
                propagation=action.propagation,
            )
        except NotFound:
            return Outcome(sights=(Sight(action.resource, key=key, uid=action.uid),))
        except Conflict:
            if action.revision:
                raise
            # The name belongs to another object now: the one that was meant is gone.
            return Outcome(sights=(Sight(action.resource, key=key, uid=action.uid),))
        self._say(action.done, action.name, "")
        return Outcome(sights=(Sight(action.resource, key=key, uid=action.uid),))

    async def _verify(self, action: Absent | Present | Empty) -> None:
        resource, namespace = action.resource, action.namespace
        if isinstance(action, Empty):
            listing = await self._rest.transport.list(resource, namespace=namespace)
            if listing.items:
                raise NotYet(f"{len(listing.items)} {resource.plural} are left in {namespace}")
            return
        try:
            metadata = (await self._rest.get(resource, namespace, action.name)).object.get("metadata", {})
        except NotFound:
            metadata = {}
        same = bool(metadata) and (not action.uid or metadata.get("uid") == action.uid)
        if isinstance(action, Absent) and same:
            raise NotYet(f"{resource.plural} {action.name} exists")
        if isinstance(action, Present) and (not same or metadata.get("deletionTimestamp")):
            raise NotYet(f"{resource.plural} {action.name} is gone or being deleted")

    async def _after_loss(self, action: Action) -> tuple[Sight, ...]:
        if not isinstance(action, Create | Update | Patch | Delete | DeleteAll):
            return ()
        try:
            return (Sight(action.resource, await self.newest(action.resource, action.namespace)),)
        except ApiError:
            return (Sight(action.resource, namespace=action.namespace, asked=False),)

    async def newest(self, resource: Resource, namespace: str) -> int:
        """The newest revision of the resource, as the API says now. Raises ApiError."""
        listing = await self._rest.transport.list(resource, namespace=namespace)
        return max((found.revision for found in listing.items), default=0)

    def _say(self, tell: Tell | None, name: str, error: str) -> None:
        if tell is not None:
            message = tell.message.replace("{name}", name).replace("{error}", error)
            self._tell(tell.about, tell.type, tell.reason, message)


def _seen(resource: Resource, answer: Answer) -> Outcome:
    # A listing's revision (deletecollection) is of the whole store; only a written object's counts as its resource's.
    is_object = "uid" in answer.object.get("metadata", {})
    return Outcome(sights=(Sight(resource, answer.revision),) if is_object and answer.revision else ())


def _line(action: Action, outcome: Outcome) -> str:
    said = f"failed: {outcome.failure}" if outcome.failure is not None else "ok"
    match action:
        case Tell():
            about = action.about
            return f"tell {action.reason} {about.kind} {about.namespace}/{about.name}: {action.message}"
        case Remember():
            return "remember"
        case Again():
            return f"again after {action.after:g} s"
        case Ask():
            failed = next((each for each in outcome.answers if isinstance(each, ApiError)), None)
            return f"ask {action.path}: {'ok' if failed is None else f'failed: {failed}'}"
        case Create():
            metadata = action.body.get("metadata", {})
            name = metadata.get("name") or f"{metadata.get('generateName', '')}*"
        case DeleteAll() | Empty():
            name = "*"
        case _:
            name = action.name
    part = f"/{action.subresource}" if isinstance(action, Update | Patch) and action.subresource else ""
    verb = type(action).__name__.lower()
    return f"{verb} {action.resource.plural}{part} {action.namespace}/{name}: {said}"
