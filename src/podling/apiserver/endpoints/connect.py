"""CONNECT: exec, attach, port-forward and the proxies, where webhooks or policies want to know of them first."""

from __future__ import annotations

import inspect
from typing import Any

from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.backend import Backend, Endpoint
from podling.apiserver.message import Outcome, Request

Json = dict[str, Any]
_WORDS = {"exec": "Exec", "attach": "Attach", "portforward": "PortForward", "proxy": "Proxy"}
_FLAGS = ("stdin", "stdout", "stderr", "tty")


def connecting(stream: Endpoint) -> Endpoint:
    """The stream's endpoint behind admission."""

    async def endpoint(backend: Backend, request: Request) -> Outcome:
        target = request.target
        assert target is not None
        served = backend.resources.get(target.group, target.version, target.plural)
        options = options_of(request)
        attempt = Attempt("CONNECT", served, target.namespace, options, None, request, target.subresource)
        await backend.admission.admit(attempt)
        await backend.admission.validate(attempt)
        outcome = stream(backend, request)
        return await outcome if inspect.isawaitable(outcome) else outcome

    return endpoint


def options_of(request: Request) -> Json:
    """The query as the options kind of the subresource: PodExecOptions, ServiceProxyOptions …"""
    target = request.target
    assert target is not None
    owner = {"pods": "Pod", "services": "Service", "nodes": "Node"}[target.plural]
    out: Json = {"kind": f"{owner}{_WORDS[target.subresource]}Options", "apiVersion": "v1"}
    if target.subresource == "proxy":
        return {**out, "path": target.path} if target.path else out
    if target.subresource == "portforward":
        ports = [int(each) for each in request.params("ports") if each.isdigit()]
        return {**out, "ports": ports} if ports else out
    for name in _FLAGS:
        if request.param(name).lower() in ("1", "true"):
            out[name] = True
    if container := request.param("container"):
        out["container"] = container
    if command := request.params("command"):
        out["command"] = command
    return out
