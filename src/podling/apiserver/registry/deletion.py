"""What a deletion means for an object, decided from values: gone at once, marked, or already on its way.

Grace periods belong to the kind (Pods), finalizers to whoever put them there, and `propagationPolicy` turns into the
two finalizers that the garbage collector takes off again (Kubernetes documentation, "Garbage collection").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podling.apiserver.registry.served import Served
from podling.env import parse_rfc3339, rfc3339

Json = dict[str, Any]

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"


@dataclass(frozen=True, slots=True)
class Remove:
    """Take it out of the store; `last` is its last state where that differs from the stored one."""

    last: Json | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Store this: it is terminating."""

    new: Json


@dataclass(frozen=True, slots=True)
class Nothing:
    """It is terminating already, and no slower than asked for."""


def decide(served: Served, obj: Json, grace: int | None, propagation: str, now: float) -> Remove | Mark | Nothing:
    """`obj`: the hub object, without resourceVersion; it is not changed. `grace`: the request's, None if silent."""
    metadata = dict(obj["metadata"])
    new = {**obj, "metadata": metadata}
    served.kind.strategy.on_delete(new, now)
    seconds = served.kind.grace(obj, grace) if served.kind.grace is not None else 0
    _propagate(metadata, propagation)
    held = bool(metadata.get("finalizers")) or bool(_namespace_finalizers(served, obj))
    if not held and seconds == 0:
        return Remove(new if metadata != obj["metadata"] else None)
    if metadata.get("deletionTimestamp"):
        shorter = _shorten(metadata, seconds)
        return Mark(new) if shorter or metadata != obj["metadata"] else Nothing()
    metadata["deletionTimestamp"] = rfc3339(now + seconds)
    metadata["deletionGracePeriodSeconds"] = seconds
    if metadata.get("generation"):
        metadata["generation"] += 1
    if _is_namespace(served):
        new["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
    return Mark(new)


def complete(served: Served, new: Json, had: Json) -> bool:
    """Whether an update took off the last finalizer of a terminating object: then it goes."""
    metadata = new["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("deletionGracePeriodSeconds"):
        return False
    held = bool(metadata.get("finalizers")) or bool(_namespace_finalizers(served, new))
    was_held = bool(had["metadata"].get("finalizers")) or bool(_namespace_finalizers(served, had))
    return was_held and not held


def _propagate(metadata: Json, propagation: str) -> None:
    if not propagation:
        return
    others = [each for each in metadata.get("finalizers") or () if each not in (ORPHAN, FOREGROUND)]
    wanted = {"Orphan": [ORPHAN], "Foreground": [FOREGROUND]}.get(propagation, [])
    finalizers = [*others, *wanted]
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)


def _shorten(metadata: Json, seconds: int) -> bool:
    """A second deletion may only be quicker than the first one."""
    before = metadata.get("deletionGracePeriodSeconds") or 0
    if seconds >= before:
        return False
    started = parse_rfc3339(metadata["deletionTimestamp"]) - before
    metadata["deletionTimestamp"] = rfc3339(started + seconds)
    metadata["deletionGracePeriodSeconds"] = seconds
    return True


def _is_namespace(served: Served) -> bool:
    return served.kind.kind == "Namespace" and not served.kind.group


def _namespace_finalizers(served: Served, obj: Json) -> list[str]:
    """Namespaces have finalizers of their own in `spec`: the namespace controller's."""
    return list((obj.get("spec") or {}).get("finalizers") or ()) if _is_namespace(served) else []
