"""Answers in protobuf or YAML, for clients that take no JSON, and gzip for those that are far away.

Everything is made as JSON. Where a client accepts only another encoding, the finished answer is translated by the type
that its kind names: whole answers item by item, with the loop let go in between, and watches event by event, each
in a frame of its own (Kubernetes API concepts, "Alternate representations of resources"). What has no type in the
table (custom resources, Tables) has no protobuf.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, Final, Literal

import orjson
import yaml

from podling.api.errors import ApiError, NotAcceptable
from podling.api.schema import Schemas, Type
from podling.api.schema.framing import put_bytes
from podling.api.schema.protobuf import MAGIC, encode_message, encode_protobuf
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.negotiation import MediaType, media_types
from podling.apiserver.message import JSON, Outcome, Request, Response, Sink, Stream, Upgrade

Json = dict[str, Any]
Answer = Callable[[Request], Outcome | Awaitable[Outcome]]
Encoding = Literal["", "protobuf", "yaml"]

PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
YAML: Final = "application/yaml"
FRAMED: Final = f"{PROTOBUF};stream=watch"
SLICE: Final = 8
"""Objects encoded before the loop is let go: half a millisecond each."""
WORTH_IT: Final = 128 * 1024
LEVEL: Final = 4
_ENCODINGS: Final[dict[str, Encoding]] = {PROTOBUF: "protobuf", FRAMED: "protobuf", YAML: "yaml"}


@lru_cache(maxsize=256)
def encoding_of(accept: str) -> Encoding:
    """The encoding that has to be given because JSON is not accepted; empty where JSON is, or nothing we have."""
    found: Encoding = ""
    for name, _ in media_types(accept):
        if name in (JSON, "*/*", "application/*", ""):
            return ""
        found = found or _ENCODINGS.get(name, "")
    return found


async def encoded(backend: Backend, request: Request, encoding: Encoding, answer: Answer) -> Outcome:
    """What `answer` gives, in another encoding. Raises NotAcceptable for what has none."""
    wanted = [each for each in media_types(request.headers["accept"]) if _ENCODINGS.get(each.name) == encoding]
    if encoding == "protobuf":
        _require_types(backend, request, wanted)
    request.headers = {**request.headers, "accept": ",".join(_as_json(each) for each in wanted)}
    try:
        made = answer(request)
        outcome = made if isinstance(made, Response | Stream | Upgrade) else await made
    except ApiError as error:
        outcome = Response(error.code, orjson.dumps(error.status()))
        if error.retry_after:
            outcome.headers = [*outcome.headers, ("Retry-After", str(error.retry_after))]
    if isinstance(outcome, Upgrade) or not outcome.content_type.startswith(JSON):
        return outcome
    if isinstance(outcome, Stream):
        if request.target is None or request.target.verb != "watch":
            return await _whole(backend, await outcome.collected(), encoding)
        if encoding == "yaml":
            raise _not_acceptable()
        return _watch(backend.schemas, outcome)
    return await _whole(backend, outcome, encoding)


def _require_types(backend: Backend, request: Request, wanted: list[MediaType]) -> None:
    target = request.target
    tables = all(each.params.get("as") == "Table" for each in wanted)
    if target is None or (target.subresource and not tables):
        return
    served = backend.resources.get(target.group, target.version, target.plural)
    if tables or (served.type is None and not any(each.params.get("as") for each in wanted)):
        raise _not_acceptable(f"{JSON}, {YAML}")


def _not_acceptable(types: str = f"{JSON}, {YAML}, {PROTOBUF}") -> NotAcceptable:
    return NotAcceptable(f"only the following media types are accepted: {types}")


def _as_json(each: MediaType) -> str:
    words = [f"{key}={value}" for key, value in each.params.items() if key in ("as", "g", "v")]
    return ";".join([JSON, *words])


async def _whole(backend: Backend, response: Response, encoding: Encoding) -> Response:
    body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
    if not body:
        return response
    value = orjson.loads(body)
    if encoding == "yaml":
        text = await backend.env.in_thread(_yaml, value)
        return Response(response.status, text, YAML, response.headers)
    type_ = _type_of(backend.schemas, value)
    if type_ is None:
        return response
    return Response(response.status, await _message(value, type_), PROTOBUF, response.headers)


def _yaml(value: Any) -> bytes:
    text: str = yaml.dump(value, Dumper=yaml.CSafeDumper, allow_unicode=True, default_flow_style=False)
    return text.encode()


def _type_of(schemas: Schemas, value: Any) -> Type | None:
    if not isinstance(value, dict):
        return None
    group, _, version = str(value.get("apiVersion", "")).rpartition("/")
    return schemas.kind(group, version, str(value.get("kind", "")))


async def _message(value: Json, type_: Type) -> bytes:
    """The envelope of an object or a list, whose items are encoded a few at a time."""
    items = value.get("items")
    field = type_.fields.get("items")
    if not isinstance(items, list) or field is None or field.type.element is None:
        return encode_protobuf(value, type_)
    parts = [encode_message({**value, "items": None}, type_)]
    for start in range(0, len(items), SLICE):
        parts += [put_bytes(field.number, encode_message(each, field.type.element)) for each in items[start:][:SLICE]]
        await asyncio.sleep(0)
    meta = put_bytes(1, str(value["apiVersion"]).encode()) + put_bytes(2, str(value["kind"]).encode())
    return MAGIC + put_bytes(1, meta) + put_bytes(2, b"".join(parts)) + put_bytes(3, b"") + put_bytes(4, b"")


def _watch(schemas: Schemas, stream: Stream) -> Stream:
    """Each line of JSON becomes a frame: its length in four bytes, then a WatchEvent with the enveloped object."""

    async def run(sink: Sink) -> None:
        await stream.run(_Framing(schemas, sink))

    return Stream(run, FRAMED, stream.status, stream.headers)


class _Framing:
    def __init__(self, schemas: Schemas, sink: Sink) -> None:
        self._schemas, self._sink = schemas, sink

    async def write(self, data: bytes, patience: float | None = None) -> None:
        await self._sink.write(b"".join(self._frame(line) for line in data.splitlines() if line), patience)

    def _frame(self, line: bytes) -> bytes:
        event = orjson.loads(line)
        type_ = _type_of(self._schemas, event["object"])
        inner = encode_protobuf(event["object"], type_) if type_ is not None else orjson.dumps(event["object"])
        message = put_bytes(1, event["type"].encode()) + put_bytes(2, put_bytes(1, inner))
        return len(message).to_bytes(4, "big") + message

    @property
    def backlog(self) -> int:
        return self._sink.backlog


def far(request: Request) -> bool:
    """Whether compressing may pay: the client asks for it and is not on this machine, where bytes cost nothing."""
    if not request.peer or request.peer.startswith("127.") or request.peer == "::1":
        return False
    return "gzip" in request.headers.get("accept-encoding", "")


async def compressed(backend: Backend, answer: Outcome | Awaitable[Outcome]) -> Outcome:
    """The answer, compressed beside the loop where it is long; watches are left as they are."""
    outcome = answer if isinstance(answer, Response | Stream | Upgrade) else await answer
    if isinstance(outcome, Response):
        return await _deflated(backend, outcome)
    if isinstance(outcome, Stream) and outcome.status == 200 and outcome.content_type == JSON:
        run = outcome.run

        async def through(sink: Sink) -> None:
            deflating = _Deflating(backend, sink)
            await run(deflating)
            await deflating.finish()

        return Stream(through, outcome.content_type, outcome.status, [*outcome.headers, ("Content-Encoding", "gzip")])
    return outcome


async def _deflated(backend: Backend, response: Response) -> Response:
    size = len(response.body) if isinstance(response.body, bytes) else sum(map(len, response.body))
    if size < WORTH_IT or response.status != 200:
        return response
    body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
    packed = await backend.env.in_thread(zlib.compress, body, LEVEL, 16 + zlib.MAX_WBITS)
    headers = [*response.headers, ("Content-Encoding", "gzip")]
    return Response(response.status, packed, response.content_type, headers)


class _Deflating:
    """A sink whose pieces are compressed in a thread: zlib lets the interpreter go."""

    def __init__(self, backend: Backend, sink: Sink) -> None:
        self._env, self._sink = backend.env, sink
        self._packer = zlib.compressobj(LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    async def write(self, data: bytes, patience: float | None = None) -> None:
        packed = await self._env.in_thread(self._packer.compress, data)
        if packed:
            await self._sink.write(packed, patience)

    async def finish(self) -> None:
        await self._sink.write(self._packer.flush())

    @property
    def backlog(self) -> int:
        return self._sink.backlog
