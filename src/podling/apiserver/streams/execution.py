"""`pods/exec` and `pods/attach`: a session on the node, bridged to what the client speaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podling.api.errors import BadRequest, InternalError
from podling.apiserver.backend import Backend
from podling.apiserver.message import Connection, Request, Upgrade
from podling.apiserver.streams.channels import ChannelStream
from podling.apiserver.streams.pipe import Pipe
from podling.apiserver.streams.session import FailedSession, Session, Wanted
from podling.apiserver.streams.spdychannels import EXEC_PROTOCOLS, SpdyChannels
from podling.apiserver.streams.target import container_of, flag, node_of, pod_of, target_of
from podling.apiserver.streams.upgrades import agree
from podling.wire.websocket import CHANNEL_PROTOCOLS, Channels


async def execute(backend: Backend, request: Request) -> Upgrade:
    """Run `command` in a container (`GET` or `POST` `pods/x/exec`, see PodExecOptions)."""
    command = request.params("command")
    if not command:
        raise BadRequest("you must specify at least one command for the container")
    return await _bridge(backend, request, {"verb": "exec", "command": command}, "executing command in container")


async def attach(backend: Backend, request: Request) -> Upgrade:
    """Join a container's own process (`pods/x/attach`, see PodAttachOptions)."""
    return await _bridge(backend, request, {"verb": "attach"}, "attaching to container")


async def _bridge(backend: Backend, request: Request, verb: Mapping[str, Any], doing: str) -> Upgrade:
    target = target_of(request)
    pod = pod_of(backend, target)
    node, container = node_of(pod), container_of(pod, request.param("container"))
    wanted = wanted_of(request)
    agreed = agree(request, CHANNEL_PROTOCOLS, EXEC_PROTOCOLS)
    asked = {
        **verb,
        "namespace": target.namespace,
        "pod": target.name,
        "container": container,
        "stdin": wanted.stdin,
        "stdout": wanted.stdout,
        "stderr": wanted.stderr,
        "tty": wanted.tty,
    }
    session: Session
    try:
        session = Session(Pipe(await backend.dialer.stream(node, asked)))
    except InternalError as error:
        # What the runtime could not do is told inside the stream, where clients look for a command's end.
        session = FailedSession(f"error {doing}: {error.message}")

    async def run(connection: Connection) -> None:
        if agreed.way == "websocket":
            await ChannelStream(connection, session, Channels.of(agreed.protocol), wanted).run()
        else:
            await SpdyChannels(connection, session, agreed.protocol, wanted).run()

    return Upgrade(run, agreed.headers)


def wanted_of(request: Request) -> Wanted:
    """The streams asked for; a terminal has one output only. Raises BadRequest where there is none at all."""
    tty = flag(request, "tty")
    wanted = Wanted(flag(request, "stdin"), flag(request, "stdout"), flag(request, "stderr") and not tty, tty)
    if not (wanted.stdin or wanted.stdout or wanted.stderr):
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    return wanted
