"""`pods/log`: what a container said, as the node sends it, until the end or for as long as the client follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podling.api.errors import BadRequest, Cause, invalid
from podling.apiserver.backend import Backend
from podling.apiserver.message import Connection, Request, Response, Sink, Stream, Upgrade
from podling.apiserver.streams.messages import READ_PROTOCOLS, MessageStream
from podling.apiserver.streams.pipe import Pipe
from podling.apiserver.streams.target import container_of, flag, pod_of, target_of
from podling.apiserver.streams.upgrades import agree

PLAIN = "text/plain"
_FLAGS = ("follow", "previous", "timestamps")
_LEAST = {"sinceSeconds": 1, "tailLines": 0, "limitBytes": 1}


async def log(backend: Backend, request: Request) -> Stream | Response | Upgrade:
    """See PodLogOptions; over a WebSocket where the client asks for one. A Pod on no node yet has an empty log."""
    target = target_of(request)
    pod = pod_of(backend, target)
    container = container_of(pod, request.param("container"))
    options = options_of(request, target.name)
    if not pod.spec.node_name:
        return Response(content_type=PLAIN)
    asked = {"verb": "logs", "namespace": target.namespace, "pod": target.name, "container": container, **options}
    if request.header("upgrade").lower() == "websocket":
        return await _messages(backend, request, pod.spec.node_name, asked)
    pipe = Pipe(await backend.dialer.stream(pod.spec.node_name, asked))

    async def run(sink: Sink) -> None:
        try:
            while data := await pipe.read():
                await sink.write(data)
        finally:
            pipe.close()

    return Stream(run, PLAIN)


async def _messages(backend: Backend, request: Request, node: str, asked: Mapping[str, Any]) -> Upgrade:
    agreed = agree(request, READ_PROTOCOLS, ())
    pipe = Pipe(await backend.dialer.stream(node, asked))

    async def run(connection: Connection) -> None:
        await MessageStream(connection, pipe, agreed.protocol).run()

    return Upgrade(run, agreed.headers)


def options_of(request: Request, pod: str) -> dict[str, Any]:
    """The PodLogOptions that were given, by their JSON names. Raises BadRequest, Invalid."""
    options: dict[str, Any] = {name: True for name in _FLAGS if flag(request, name)}
    for name in _LEAST:
        if text := request.param(name):
            try:
                options[name] = int(text)
            except ValueError:
                raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    for name in ("sinceTime", "stream"):
        if text := request.param(name):
            options[name] = text
    if causes := _causes(options):
        raise invalid("PodLogOptions", pod, causes)
    return options


def _causes(options: dict[str, Any]) -> Sequence[Cause]:
    causes = []
    for name, least in _LEAST.items():
        if name in options and options[name] < least:
            bound = "greater than 0" if least else "greater than or equal to 0"
            causes.append(Cause("FieldValueInvalid", f"Invalid value: {options[name]}: must be {bound}", name))
    if "sinceSeconds" in options and "sinceTime" in options:
        message = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
        causes.append(Cause("FieldValueForbidden", message, ""))
    return causes
