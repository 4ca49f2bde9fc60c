"""POST of an Eviction: a polite deletion of a Pod (Kubernetes documentation, "API-initiated eviction").

A Pod under a PodDisruptionBudget that allows no disruption is refused with 429, so that drains wait.
"""

from __future__ import annotations

from typing import Any

import orjson

from podling.api import labels
from podling.api.errors import Cause, TooManyRequests
from podling.api.objects import Object, key_of, prefix_of
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.body import place, read
from podling.apiserver.endpoints.delete import delete_object
from podling.apiserver.endpoints.options import delete_options
from podling.apiserver.message import Request, Response

EVICTED = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


async def evict(backend: Backend, request: Request) -> Response:
    target = request.target
    assert target is not None
    pods = backend.resources.get("", "v1", "pods")
    type_ = backend.schemas.kind("policy", "v1", "Eviction")
    body = read(backend, request, type_, "policy/v1", "Eviction")
    place(body, pods, target.namespace, target.name)
    options = delete_options(body.get("deleteOptions") or {}, request)
    pod = backend.cache.get(key_of("", "pods", target.namespace, target.name))
    if pod is not None and (budget := forbidding(backend, pod)):
        why = f"The disruption budget {budget} needs more healthy pods than there are now"
        raise TooManyRequests(
            "Cannot evict pod as it would violate the pod's disruption budget.",
            causes=[Cause("DisruptionBudget", why)],
            retry_after=10,
        )
    await delete_object(backend, request, pods, target.namespace, target.name, options)
    return Response(201, orjson.dumps(EVICTED))


def forbidding(backend: Backend, pod: Object) -> str:
    """The name of a budget that selects the Pod and allows no disruption now; empty where none does."""
    running: dict[str, Any] = pod.json().get("status") or {}
    if running.get("phase") in ("Succeeded", "Failed", "Pending"):
        return ""
    for obj in backend.cache.list(prefix_of("policy", "poddisruptionbudgets", pod.head.namespace)):
        budget = obj.json()
        selector = labels.of((budget.get("spec") or {}).get("selector"))
        if selector.matches(pod.head.labels) and (budget.get("status") or {}).get("disruptionsAllowed", 0) <= 0:
            return obj.head.name
    return ""
