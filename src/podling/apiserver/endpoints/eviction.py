"""POST of an Eviction: a polite deletion of a Pod (Kubernetes documentation, "API-initiated eviction").

A Pod that runs is taken from its PodDisruptionBudget before it is taken away: the budget is decremented by
compare-and-set, so of two evictions at the same moment only those go through that it allows. The Pod is marked with
the condition DisruptionTarget, which tells those who count failures that it did not fail by itself.
"""

from __future__ import annotations

from typing import Any

import orjson

from podling.api.errors import BadRequest, Conflict, InternalError, Timeout, conflict, not_found
from podling.api.kinds.policy import budgets
from podling.api.objects import Object, prefix_of
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.body import place, read
from podling.apiserver.endpoints.delete import delete_object, precondition
from podling.apiserver.endpoints.options import DeleteOptions, delete_options
from podling.apiserver.endpoints.revisions import caught_up
from podling.apiserver.message import Request, Response
from podling.apiserver.registry.served import Served, encode
from podling.env import rfc3339
from podling.storage.interface import Changed, KeyNotFound

Json = dict[str, Any]
EVICTED = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
REASON, MESSAGE = "EvictionByEvictionAPI", "Eviction API: evicting"
ATTEMPTS, PAUSE = 20, 0.05
MANY = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


async def evict(backend: Backend, request: Request) -> Response:
    target = request.target
    assert target is not None
    pods = backend.resources.get("", "v1", "pods")
    body = _body(backend, request)
    place(body, pods, target.namespace, target.name)
    options = delete_options(body.get("deleteOptions") or {}, request)
    pod = _found(backend, pods, target.namespace, target.name)
    attempt = Attempt("CREATE", pods, target.namespace, body, pod.json(), request, "eviction", options.dry_run)
    await backend.admission.admit(attempt)
    await backend.admission.validate(attempt)
    for _ in range(ATTEMPTS):
        pod = _found(backend, pods, target.namespace, target.name)
        precondition(pods, pod, options)
        try:
            await _evict(backend, request, pods, pod, options)
            return Response(201, orjson.dumps(EVICTED))
        except Conflict:
            if options.revision or not _unguarded(pod.json()):
                raise
            await backend.env.sleep(PAUSE)
    raise Timeout(f'couldn\'t evict pod "{target.name}" due to conflicts', retry_after=10)


def _found(backend: Backend, pods: Served, namespace: str, name: str) -> Object:
    found = backend.cache.get(pods.key(namespace, name))
    if found is None:
        raise not_found("pods", name)
    return found


def _body(backend: Backend, request: Request) -> Json:
    """An Eviction of policy/v1, or of v1beta1 as older clients send it."""
    try:
        return read(backend, request, backend.schemas.kind("policy", "v1", "Eviction"), "policy/v1", "Eviction")
    except BadRequest:
        old = backend.schemas.kind("policy", "v1beta1", "Eviction")
        if old is None or b"policy/v1beta1" not in request.body:
            raise
        return read(backend, request, old, "policy/v1beta1", "Eviction")


async def _evict(backend: Backend, request: Request, pods: Served, pod: Object, options: DeleteOptions) -> None:
    """Raises TooManyRequests where a budget does not allow it, Conflict where the Pod changed meanwhile."""
    found = pod.json()
    if _unguarded(found):
        exact = options.revision == 0 and _may_yet_run(found)
        await _take(backend, request, pods, pod, _at(options, pod) if exact else options)
        return
    budget = _budget(backend, pod)
    if budget is None:
        await _take(backend, request, pods, pod, options)
    elif not _ready(found) and _lets_unhealthy_go(budget.json()):
        try:
            await _take(backend, request, pods, pod, options if options.revision else _at(options, pod))
        except Conflict:
            if options.revision:
                raise
            raise budgets.unsettled(budget.head.name) from None
    else:
        await _spend(backend, budget, pod.head.name, options.dry_run)
        await _take(backend, request, pods, pod, options)


def _unguarded(pod: Json) -> bool:
    """Taking it away disrupts nothing: it has ended, has not begun, or is going."""
    phase = (pod.get("status") or {}).get("phase")
    return phase in ("Succeeded", "Failed", "Pending") or bool(pod["metadata"].get("deletionTimestamp"))


def _may_yet_run(pod: Json) -> bool:
    return (pod.get("status") or {}).get("phase") == "Pending" and not pod["metadata"].get("deletionTimestamp")


def _ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _lets_unhealthy_go(budget: Json) -> bool:
    """What is not healthy is not in the budget's count: always, or as long as those that are suffice."""
    status = budget.get("status") or {}
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    healthy, wanted = int(status.get("currentHealthy", 0)), int(status.get("desiredHealthy", 0))
    return healthy >= wanted > 0


def _budget(backend: Backend, pod: Object) -> Object | None:
    """The budget that guards a Pod. Raises InternalError where there are several."""
    kept = backend.cache.list(prefix_of("policy", "poddisruptionbudgets", pod.head.namespace))
    found = [each for each in kept if budgets.selects(each.json(), pod.head.labels)]
    if len(found) > 1:
        raise InternalError(MANY)
    return found[0] if found else None


async def _spend(backend: Backend, budget: Object, pod: str, dry: bool) -> None:
    name = budget.head.name
    for _ in range(ATTEMPTS):
        current = backend.cache.get(budget.key)
        if current is None:
            raise not_found("poddisruptionbudgets", name, "policy")
        new = budgets.spent(current.json(), pod, rfc3339(backend.env.now()))
        if dry:
            return
        try:
            await backend.cache.update(budget.key, encode(new), expect=current.revision)
            return
        except (Changed, KeyNotFound) as lost:
            await caught_up(backend, lost)
    raise Timeout(f'couldn\'t update PodDisruptionBudget "{name}" due to conflicts', retry_after=10)


async def _take(backend: Backend, request: Request, pods: Served, pod: Object, options: DeleteOptions) -> None:
    """Mark and delete. A precondition on the revision holds for the Pod as it was before it was marked."""
    marked = await _mark(backend, pods, pod, options)
    if options.revision and not options.dry_run:
        options = _at(options, marked)
    await delete_object(backend, request, pods, pod.head.namespace, pod.head.name, options)


async def _mark(backend: Backend, pods: Served, pod: Object, options: DeleteOptions) -> Object:
    while True:
        current = backend.cache.get(pod.key)
        if current is None:
            raise not_found("pods", pod.head.name)
        precondition(pods, current, options)
        new = _marked(current.json(), rfc3339(backend.env.now()))
        if new is None or options.dry_run:
            return current
        try:
            return await backend.cache.update(pod.key, encode(new), expect=current.revision)
        except (Changed, KeyNotFound) as lost:
            if options.revision:
                raise conflict("pods", pod.head.name) from None
            await caught_up(backend, lost)


def _marked(pod: Json, now: str) -> Json | None:
    """None where it says so already."""
    status = pod.get("status") or {}
    conditions = status.get("conditions") or []
    new = budgets.target(REASON, MESSAGE, now)
    if generation := pod["metadata"].get("generation"):
        new["observedGeneration"] = generation
    old = next((each for each in conditions if each["type"] == new["type"]), None)
    if old is not None and old["status"] == "True":
        new["lastTransitionTime"] = old.get("lastTransitionTime") or now
        if old == new:
            return None
    kept = [new if each is old else each for each in conditions]
    return {**pod, "status": {**status, "conditions": kept if old is not None else [*kept, new]}}


def _at(options: DeleteOptions, pod: Object) -> DeleteOptions:
    return options._replace(revision=pod.revision)
