"""Conversion webhooks: versions of a custom resource that somebody else knows how to make of each other.

Endpoints read and write objects without ever waiting; a webhook is waited for. So what was converted is remembered by
its content, an endpoint that meets something else raises `Unconverted`, and whoever called it (`converting`) asks the
webhook and calls it again. Nothing has been written by then: a write's last step before the store is validation, which
looks at the object in the version of the request. Lists, watches and deletions have their objects converted beforehand,
many in one review.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from podling.api.errors import ApiError
from podling.api.kinds.apiextensions.conversionreview import BadConversion, answered, named, question, with_metadata
from podling.apiserver.webhooks.client import WebhookClient, WebhookError
from podling.env import Env

Json = dict[str, Any]
TIMEOUT = 30.0
REVIEW = 128
"""Objects of one question."""
REMEMBERED_BYTES = 32 << 20
Key = tuple[str, bytes]


class ConversionFailed(ApiError):
    """Upstream gives it no reason."""

    code, reason = 500, ""


class Unconverted(Exception):
    """An object is needed in a version that it has not been converted to yet."""

    def __init__(self, converter: Converter, objects: Sequence[Json], wanted: str) -> None:
        super().__init__(wanted)
        self._converter, self.objects, self.wanted = converter, objects, wanted

    async def settle(self) -> None:
        """Ask for it. Raises ConversionFailed."""
        await self._converter.convert(self.objects, self.wanted)


class _Kept(NamedTuple):
    """A converted object, as bytes: whoever takes it gets a copy of its own."""

    raw: bytes


class Converter:
    """The webhook of one CRD, and what it has said so far."""

    def __init__(self, client: WebhookClient, env: Env, webhook: Mapping[str, Any]) -> None:
        """`webhook`: spec.conversion.webhook of the CRD."""
        self._client, self._env, self._webhook = client, env, webhook
        self._known: OrderedDict[Key, _Kept] = OrderedDict()
        self._size = 0
        self._asked: dict[Key, asyncio.Future[ApiError | None]] = {}

    def get(self, obj: Json, wanted: str) -> Json:
        """A new object of the apiVersion `wanted`. Raises Unconverted."""
        if obj.get("apiVersion") == wanted:
            return obj
        key = _key(obj, wanted)
        kept = self._known.get(key)
        if kept is None:
            raise Unconverted(self, [obj], wanted)
        self._known.move_to_end(key)
        converted: Json = orjson.loads(kept.raw)
        return with_metadata(converted, obj)

    async def convert(self, objects: Sequence[Json], wanted: str) -> None:
        """Until `get` knows all of them. Raises ConversionFailed."""
        mine: dict[Key, Json] = {}
        others: list[asyncio.Future[ApiError | None]] = []
        for obj in objects:
            key = _key(obj, wanted)
            if obj.get("apiVersion") == wanted or key in self._known:
                continue
            if key in self._asked:
                others.append(self._asked[key])
            else:
                mine[key] = obj
        items = list(mine.items())
        for start in range(0, len(items), REVIEW):
            await self._ask(dict(items[start : start + REVIEW]), wanted)
        for each in others:
            if (error := await asyncio.shield(each)) is not None:
                raise error

    async def _ask(self, objects: Mapping[Key, Json], wanted: str) -> None:
        """One review; who needs the same objects meanwhile waits for its answer."""
        answer = asyncio.get_running_loop().create_future()
        self._asked.update(dict.fromkeys(objects, answer))
        error: ApiError | None = ConversionFailed("the request that asked for the conversion has ended")
        try:
            converted = await self._review(list(objects.values()), wanted)
            for key, obj in zip(objects, converted, strict=True):
                self._remember(key, _Kept(orjson.dumps(obj)))
            error = None
        except ApiError as failed:
            error = failed
            raise
        finally:
            for key in objects:
                del self._asked[key]
            answer.set_result(error)

    async def _review(self, objects: list[Json], wanted: str) -> list[Json]:
        about = f"conversion webhook for {named(objects[0])} failed"
        try:
            versions = self._webhook.get("conversionReviewVersions") or ()
            asked = question(self._env.uid(), objects, wanted, versions)
            said = await self._client.call(self._webhook["clientConfig"], TIMEOUT, orjson.dumps(asked))
            return answered(asked, said)
        except WebhookError as error:
            raise ConversionFailed(f"{about}: {error.message}") from None
        except BadConversion as error:
            raise ConversionFailed(str(error)) from None

    def _remember(self, key: Key, kept: _Kept) -> None:
        self._known[key] = kept
        self._size += len(kept.raw)
        while self._size > REMEMBERED_BYTES and len(self._known) > REVIEW:
            _, forgotten = self._known.popitem(last=False)
            self._size -= len(forgotten.raw)


def _key(obj: Json, wanted: str) -> Key:
    """By what a webhook may look at; the server's own part of metadata changes with every write."""
    metadata = obj.get("metadata") or {}
    rest = {key: value for key, value in obj.items() if key != "metadata"}
    content = [
        rest,
        metadata.get("labels"),
        metadata.get("annotations"),
        metadata.get("name"),
        metadata.get("namespace"),
    ]
    if metadata.get("generateName"):
        content[3] = None  # drawn anew with each try
    return wanted, blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
