"""OpenAPI v2 and v3, made when first asked for and kept.

The index of v3 names each document by a hash; under that URL it never changes, so clients keep it for a year. Making a
document is sliced: other requests are answered in between. Whoever asks for one that is being made waits for it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

import orjson

from podling.api.catalog import Catalog
from podling.api.schema import Schemas
from podling.api.schema.openapi import (
    ServedResource,
    ServedSubresource,
    gnostic,
    installed,
    v2_document,
    v3_document,
    v3_hash,
    v3_index,
    v3_salt,
)
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.negotiation import media_types
from podling.apiserver.message import JSON, PRIVATE, Request, Response
from podling.apiserver.registry.served import unknown_path

T = TypeVar("T")
VARY = [*PRIVATE, ("Vary", "Accept")]

GNOSTIC = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
GNOSTIC_ANSWER = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


class OpenApi:
    """The documents of one catalog."""

    def __init__(self, catalog: Catalog, schemas: Schemas) -> None:
        self._schemas = schemas
        self._descriptions = installed()
        self._hashes: dict[str, str] = {}
        self._made: dict[str, bytes] = {}
        self._making: dict[str, asyncio.Event] = {}
        self.renew(catalog)

    def renew(self, catalog: Catalog) -> None:
        """Resources have come or gone: what is affected is made anew when somebody asks for it."""
        before = self._hashes
        self._served = [
            ServedResource(
                entry.group,
                entry.version,
                entry.plural,
                entry.kind,
                entry.namespaced,
                entry.verbs,
                tuple(
                    ServedSubresource(sub.name, sub.group, sub.version, sub.kind, sub.verbs)
                    for sub in entry.subresources.values()
                ),
                getattr(entry, "schema", ""),
            )
            for entry in catalog.resources
        ]
        self._groups: dict[str, list[ServedResource]] = {}
        for resource in self._served:
            self._groups.setdefault(resource.prefix, []).append(resource)
        salt = v3_salt(self._schemas, self._descriptions)
        self._hashes = {prefix: v3_hash(resources, salt) for prefix, resources in self._groups.items()}
        self._index = orjson.dumps(v3_index(self._served, salt))
        same = {prefix for prefix, known in self._hashes.items() if before.get(prefix) == known}
        self._made = {name: made for name, made in self._made.items() if name in same}

    def index(self, backend: Backend, request: Request) -> Response:
        """GET /openapi/v3."""
        return _tagged(request, self._index, JSON, VARY)

    def v3(self, backend: Backend, request: Request) -> Awaitable[Response]:
        """GET /openapi/v3/apis/apps/v1?hash=…. Raises NotFound."""
        prefix = request.path.removeprefix("/openapi/v3/").strip("/")
        resources = self._groups.get(prefix)
        if resources is None:
            raise unknown_path()
        return self._v3(request, prefix, resources, int(backend.env.now()))

    async def _v3(self, request: Request, prefix: str, resources: list[ServedResource], now: int) -> Response:
        made = await self._once(prefix, lambda: v3_document(self._schemas, resources, self._descriptions))
        if not request.param("hash"):
            return _tagged(request, made, JSON, VARY)
        if request.param("hash") != self._hashes[prefix]:
            location = f"/openapi/v3/{prefix}?hash={self._hashes[prefix]}"
            return Response(301, b"", "", [("Location", location)])
        from email.utils import formatdate

        forever = [("Cache-Control", "public, immutable"), ("Expires", formatdate(now + 365 * 86400, usegmt=True))]
        return _tagged(request, made, JSON, [*forever, ("Vary", "Accept")])

    async def v2(self, backend: Backend, request: Request) -> Response:
        """GET /openapi/v2 as JSON or as gnostic's protobuf."""
        wanted = [each.name for each in media_types(request.headers.get("accept", ""))]
        if wanted and wanted[0] in (GNOSTIC, GNOSTIC_ANSWER):
            body = await self._once("v2.pb", self._gnostic)
            return _tagged(request, body, GNOSTIC_ANSWER, VARY)
        body = await self._once("v2.json", self._json)
        return _tagged(request, body, JSON, VARY)

    def _json(self) -> Generator[None, None, bytes]:
        document = yield from v2_document(self._schemas, self._served, self._descriptions)
        yield
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)

    def _gnostic(self) -> Generator[None, None, bytes]:
        document = yield from v2_document(self._schemas, self._served, self._descriptions)
        return (yield from gnostic(document))

    async def _once(self, name: str, steps: Callable[[], Generator[None, None, bytes]]) -> bytes:
        while name not in self._made:
            if (other := self._making.get(name)) is not None:
                await other.wait()
                continue
            done = self._making[name] = asyncio.Event()
            try:
                self._made[name] = await _sliced(steps())
            finally:
                del self._making[name]
                done.set()
        return self._made[name]


async def _sliced(steps: Generator[None, None, T]) -> T:
    """Run a maker, letting the loop go after each of its steps."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
        await asyncio.sleep(0)


def _tagged(request: Request, body: bytes, content_type: str, headers: list[tuple[str, str]]) -> Response:
    etag = f'"{hashlib.sha512(body).hexdigest().upper()}"'
    headers = [*headers, ("ETag", etag)]
    if request.headers.get("if-none-match", "") == etag:
        return Response(304, b"", "", headers)
    return Response(200, _pieces(body), content_type, headers)


def _pieces(body: bytes, size: int = 64 * 1024) -> bytes | list[bytes]:
    return body if len(body) <= size else [body[start : start + size] for start in range(0, len(body), size)]


def index(backend: Backend, request: Request) -> Any:
    return backend.openapi.index(backend, request)


def v3(backend: Backend, request: Request) -> Any:
    return backend.openapi.v3(backend, request)


def v2(backend: Backend, request: Request) -> Any:
    return backend.openapi.v2(backend, request)
