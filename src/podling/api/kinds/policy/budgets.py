"""What a PodDisruptionBudget permits, in one place for all who ask: eviction, its controller, the scheduler.

A budget is spent by the API server, one disruption at a time, when it grants an eviction, and counted anew by its
controller; both say what they did in the same condition (the documentation's "Specifying a Disruption Budget").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podling.api import labels as selectors
from podling.api.errors import ApiError, Cause, Forbidden, TooManyRequests, forbidden

Json = dict[str, Any]
ALLOWED = "DisruptionAllowed"
SUFFICIENT, INSUFFICIENT, SYNC_FAILED = "SufficientPods", "InsufficientPods", "SyncFailed"
DISRUPTION_TARGET = "DisruptionTarget"
UNCONFIRMED = 2000
"""Evictions that were granted and that the controller has not seen; with more the budget is closed."""
SOON = 10
"""Seconds after which a refused client should ask again, where the controller will have looked by then."""


def selects(budget: Mapping[str, Any], pod_labels: Mapping[str, str]) -> bool:
    """Whether the budget (its JSON) is about a Pod with these labels; without a selector it is about none."""
    selector = (budget.get("spec") or {}).get("selector")
    return selector is not None and selectors.of(selector).matches(pod_labels)


def spent(budget: Json, pod: str, now: str) -> Json:
    """The budget after one more disruption, of the Pod of this name. Raises TooManyRequests, Forbidden."""
    status = dict(budget.get("status") or {})
    refusal = _refusal(budget, status)
    if refusal is not None:
        raise refusal
    status["disruptionsAllowed"] -= 1
    if not status["disruptionsAllowed"]:
        status["conditions"] = allowance(status.get("conditions") or (), 0, status.get("observedGeneration", 0), now)
    status["disruptedPods"] = {**(status.get("disruptedPods") or {}), pod: now}
    return {**budget, "status": status}


def unsettled(name: str) -> TooManyRequests:
    """The answer while the budget's status is not of this moment."""
    return _wait(f"The disruption budget {name} is still being processed by the server.", SOON)


def allowance(conditions: Iterable[Json], allowed: int, generation: int, now: str) -> list[Json]:
    """The conditions with what the count of allowed disruptions means."""
    status, reason = ("True", SUFFICIENT) if allowed > 0 else ("False", INSUFFICIENT)
    return stated(conditions, status, reason, "", generation, now)


def stated(conditions: Iterable[Json], status: str, reason: str, message: str, generation: int, now: str) -> list[Json]:
    """The conditions with DisruptionAllowed as told; the time of transition stays while the status does."""
    others = list(conditions)
    old = next((each for each in others if each["type"] == ALLOWED), None)
    since = old.get("lastTransitionTime", now) if old is not None and old["status"] == status else now
    new = {"type": ALLOWED, "status": status, "observedGeneration": generation}
    new |= {"lastTransitionTime": since, "reason": reason, "message": message}
    if not generation:
        del new["observedGeneration"]
    if old is None:
        return [*others, new]
    return [new if each is old else each for each in others]


def target(reason: str, message: str, now: str) -> Json:
    """The condition of a Pod that is about to be taken away."""
    told = {"type": DISRUPTION_TARGET, "status": "True", "reason": reason, "message": message}
    return told | {"lastTransitionTime": now}


def _refusal(budget: Json, status: Json) -> ApiError | None:
    metadata, allowed = budget["metadata"], status.get("disruptionsAllowed", 0)
    name = metadata["name"]
    if status.get("observedGeneration", 0) < metadata.get("generation", 0):
        return unsettled(name)
    if allowed < 0:
        return _closed(name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or ()) > UNCONFIRMED:
        text = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        return _closed(name, text)
    return None if allowed else _wait(_why(name, status), 0)


def _why(name: str, status: Json) -> str:
    told = next((each for each in status.get("conditions") or () if each["type"] == ALLOWED), None) or {}
    said = told.get("message", "") if told.get("status") == "False" else ""
    closed = f"The disruption budget {name} does not allow evicting pods currently"
    healthy, wanted = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    if said and told["reason"] == SYNC_FAILED:
        return f"{closed} because it failed sync: {said}"
    if healthy <= wanted:
        return f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently"
    return f"{closed} ({told['reason']}): {said}" if said else closed


def _wait(why: str, seconds: int) -> TooManyRequests:
    text = "Cannot evict pod as it would violate the pod's disruption budget."
    return TooManyRequests(text, causes=[Cause("DisruptionBudget", why)], retry_after=seconds)


def _closed(name: str, why: str) -> Forbidden:
    return forbidden("poddisruptionbudget", name, why, "policy")
