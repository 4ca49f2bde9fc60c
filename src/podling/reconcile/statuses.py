"""Writing a status: only when it says something new, and only the status.

A status is written as a merge patch bound to the object's uid and not to its revision: it is the controller's alone,
and a change of the spec meanwhile is no reason to count again before saying what was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from podling.api.objects import Object
from podling.client.transport import Resource
from podling.env import rfc3339
from podling.reconcile.action import Action, Patch

Json = dict[str, Any]
Conditions = list[Json]


def writing(found: Object, resource: Resource, status: Mapping[str, Any], *, locked: bool = False) -> list[Action]:
    """The patch that makes `status` the whole status; nothing where it says what is said already.

    `locked`: only on the revision that was seen, for counts that are continued and not made anew.
    """
    old: Json = found.json().get("status") or {}
    if _said(old) == _said(status):
        return []
    metadata = {"uid": found.head.uid} | ({"resourceVersion": str(found.revision)} if locked else {})
    body = {"metadata": metadata, "status": _replacing(old, status)}
    return [Patch(resource, found.head.namespace, found.head.name, body, subresource="status")]


def conditions_of(found: Object) -> Conditions:
    status: Json = found.json().get("status") or {}
    return list(status.get("conditions") or ())


def condition(conditions: Iterable[Json], type: str) -> Json | None:
    return next((each for each in conditions if each["type"] == type), None)


def holds(conditions: Iterable[Json], type: str) -> bool:
    found = condition(conditions, type)
    return found is not None and found["status"] == "True"


def without(conditions: Iterable[Json], type: str) -> Conditions:
    return [each for each in conditions if each["type"] != type]


def stated(
    conditions: Sequence[Json], now: float, type: str, status: str, reason: str, message: str, **more: str
) -> Conditions:
    """With this condition, the last of them; the same status and reason change nothing, not even a time.

    `more` are further members, e.g. `lastUpdateTime`. The time of transition stays while the status stays.
    """
    old = condition(conditions, type)
    if old is not None and (old["status"], old.get("reason", "")) == (status, reason):
        return list(conditions)
    same = old is not None and old["status"] == status
    since = old.get("lastTransitionTime") if same and old is not None else rfc3339(now)
    new = {"type": type, "status": status, **more, "lastTransitionTime": since, "reason": reason, "message": message}
    return [*without(conditions, type), new]


def _replacing(old: Any, new: Any) -> Any:
    """The merge patch that leaves nothing of `old`."""
    if not (isinstance(old, dict) and isinstance(new, Mapping)):
        return new
    return {**dict.fromkeys(old), **{name: _replacing(old.get(name), value) for name, value in new.items()}}


def _said(status: Mapping[str, Any]) -> Json:
    return {name: value for name, value in status.items() if value}
