"""POST of a Binding: a Pod gets its node, once."""

from __future__ import annotations

from typing import Any

import orjson

from podling.api.errors import BadRequest, conflict
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.body import place, read_object
from podling.apiserver.endpoints.change import Change, change
from podling.apiserver.endpoints.options import dry_run
from podling.apiserver.message import Request, Response
from podling.env import rfc3339

Json = dict[str, Any]

BOUND = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


async def bind(backend: Backend, request: Request) -> Response:
    """pods/x/binding, and the older way of a POST to `bindings`."""
    target = request.target
    assert target is not None
    bindings = backend.resources.get("", "v1", "bindings")
    binding = read_object(backend, request, bindings)
    place(binding, bindings, target.namespace, target.name)
    node = (binding.get("target") or {}).get("name", "")
    if not node:
        raise BadRequest("target.name: Required value")
    name = binding["metadata"].get("name", "")
    now = rfc3339(backend.env.now())

    def make(pod: Json) -> Json:
        return bound(pod, binding["metadata"], node, now)

    pods = backend.resources.get("", "v1", "pods")
    attempt = Attempt("CREATE", pods, target.namespace, binding, None, request, "binding", dry_run(request))
    await backend.admission.admit(attempt)
    await backend.admission.validate(attempt)
    wanted = Change(
        pods,
        target.namespace,
        name,
        make,
        "binding",
        dry_run(request),
        own_rules=True,
    )
    await change(backend, request, wanted)
    return Response(201, orjson.dumps(BOUND))


def bound(pod: Json, binding: Json, node: str, now: str) -> Json:
    """The Pod on its node. Raises Conflict as upstream's assignPod."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    if pod["metadata"].get("deletionTimestamp"):
        raise conflict("pods/binding", name, why=f"pod {name} is being deleted, cannot be assigned to a host")
    if (uid := binding.get("uid")) and uid != pod["metadata"]["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {pod['metadata']['uid']}"
        raise conflict("pods/binding", name, why=why)
    if spec.get("nodeName"):
        raise conflict("pods/binding", name, why=f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    if spec.get("schedulingGates"):
        raise conflict("pods/binding", name, why=f"pod {name} has non-empty .spec.schedulingGates")
    spec["nodeName"] = node
    for field in ("annotations", "labels"):
        if binding.get(field):
            pod["metadata"].setdefault(field, {}).update(binding[field])
    status = pod.setdefault("status", {})
    others = [each for each in status.get("conditions") or () if each.get("type") != "PodScheduled"]
    status["conditions"] = [*others, {"type": "PodScheduled", "status": "True", "lastTransitionTime": now}]
    return pod
