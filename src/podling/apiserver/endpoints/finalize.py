"""PUT of namespaces/finalize: the namespace controller takes its finalizer off `spec`, and the namespace goes."""

from __future__ import annotations

from typing import Any

from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.answer import written
from podling.apiserver.endpoints.body import place, read_object
from podling.apiserver.endpoints.change import Change, change
from podling.apiserver.endpoints.options import dry_run
from podling.apiserver.message import Request, Response

Json = dict[str, Any]


async def finalize(backend: Backend, request: Request) -> Response:
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    body = read_object(backend, request, served)
    place(body, served, "", target.name)

    def make(old: Json) -> Json:
        old["spec"] = {**(old.get("spec") or {}), "finalizers": (body.get("spec") or {}).get("finalizers") or []}
        said = body["metadata"].get("resourceVersion")
        if said:
            old["metadata"]["resourceVersion"] = said
        else:
            del old["metadata"]["resourceVersion"]
        return old

    wanted = Change(served, "", target.name, make, "finalize", dry_run(request), own_rules=True)
    return written(backend, request, served, await change(backend, request, wanted))
