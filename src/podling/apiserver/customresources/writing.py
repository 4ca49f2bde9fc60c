"""Writes of the server itself to CRDs: their status, and the finalizer that only it takes off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.change import Change, change
from podling.apiserver.message import Request, User

Json = dict[str, Any]
OWN = User("system:apiserver", ("system:masters", "system:authenticated"))
PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"


def own_request(method: str, path: str) -> Request:
    request = Request(method, path, in_process=True)
    request.user = OWN
    return request


async def write(backend: Backend, name: str, make: Callable[[Json], Json]) -> None:
    """Change a CRD past strategy and validation. Raises NotFound, Conflict."""
    served = backend.resources.get("apiextensions.k8s.io", "v1", "customresourcedefinitions")

    def made(old: Json) -> Json:
        new = make(old)
        # Unsaid: a lost race is run again.
        new["metadata"] = {key: value for key, value in new["metadata"].items() if key != "resourceVersion"}
        return new

    wanted = Change(served, "", name, made, "status", own_rules=True)
    await change(backend, own_request("PUT", f"{PATH}{name}/status"), wanted)


async def write_status(backend: Backend, name: str, make: Callable[[Json], Json]) -> None:
    """`make`: the CRD to its new status."""
    await write(backend, name, lambda old: {**old, "status": make(old)})
