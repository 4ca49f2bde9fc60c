"""What a committed change means to somebody who looks on: Pods that come, run and go, nodes, claims. Pure.

These sentences stand in a story between the deeds of users and troubles, so that one sees what the control plane does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from podling.testing.exploration.world import condition, controller_of, holds, ready, terminating, unplaced

Json = dict[str, Any]


def chronicle(before: Json | None, after: Json | None) -> Iterator[str]:
    """Sentences about one change; most say nothing new to people."""
    kind = (after or before or {}).get("kind", "")
    if kind in _TELLING:
        yield from _TELLING[kind](before, after)


def _pod(before: Json | None, after: Json | None) -> Iterator[str]:
    name = _name(before, after)
    if after is None:
        yield f"Pod {name} is gone"
        return
    if before is None or before["metadata"]["uid"] != after["metadata"]["uid"]:
        owner = controller_of(after)
        yield f"Pod {name} is made" + (f" by {owner['kind']} {owner['name']}" if owner else "")
        return
    if after["spec"].get("nodeName") and not before["spec"].get("nodeName"):
        yield f"Pod {name} is bound to {after['spec']['nodeName']}"
    if unplaced(after) and not unplaced(before):
        message = str(condition(after, "PodScheduled").get("message", ""))
        yield f"Pod {name} finds no node: {message.partition('. ')[0].removesuffix('.')}"
    if terminating(after) and not terminating(before):
        why = condition(after, "DisruptionTarget").get("reason")
        yield f"Pod {name} has to go" + (f" ({why})" if why else "")
    elif ready(before) and not ready(after) and _phase(after) == "Running":
        yield f"Pod {name} is ready no more"
    if ready(after) and not ready(before):
        yield f"Pod {name} is ready"
    if (phase := _phase(after)) in ("Succeeded", "Failed") and phase != _phase(before):
        yield f"Pod {name} {phase.lower()}"


def _node(before: Json | None, after: Json | None) -> Iterator[str]:
    name = _name(before, after)
    if after is None:
        yield f"{name} is no node of the cluster any more"
    elif holds(after, "Ready") and not (before is not None and holds(before, "Ready")):
        yield f"{name} is ready"
    elif before is not None and holds(before, "Ready") and not holds(after, "Ready"):
        yield f"{name} is not ready: {condition(after, 'Ready').get('message', 'nobody says why')}"


def _job(before: Json | None, after: Json | None) -> Iterator[str]:
    if before is None and after is not None and (owner := controller_of(after)):
        yield f"Job {_name(before, after)} is made by {owner['kind']} {owner['name']}"
    for ending in ("Complete", "Failed"):
        if after is not None and holds(after, ending) and not (before is not None and holds(before, ending)):
            yield f"Job {_name(before, after)} is {'complete' if ending == 'Complete' else 'a failure'}"
    yield from _gone(before, after)


def _scaled(before: Json | None, after: Json | None) -> Iterator[str]:
    """ReplicaSets are what a rollout plays on."""
    name = f"{(after or before or {})['kind']} {_name(before, after)}"
    if after is None:
        yield f"{name} is gone"
        return
    owner, wanted = controller_of(after), after["spec"].get("replicas")
    if before is None and owner:
        yield f"{name} is made by {owner['kind']} {owner['name']}, for {wanted} Pods"
    elif before is not None and before["spec"].get("replicas") != wanted:
        yield f"{name} is to have {wanted} Pods instead of {before['spec'].get('replicas')}"


def _claim(before: Json | None, after: Json | None) -> Iterator[str]:
    bound = after is not None and after.get("status", {}).get("phase") == "Bound"
    if after is not None and bound and not (before is not None and before.get("status", {}).get("phase") == "Bound"):
        yield f"claim {_name(before, after)} has the volume {after['spec'].get('volumeName')}"
    yield from _gone(before, after)


def _gone(before: Json | None, after: Json | None) -> Iterator[str]:
    if after is None and before is not None:
        yield f"{before['kind']} {_name(before, after)} is gone"


def _name(before: Json | None, after: Json | None) -> str:
    metadata = (after or before or {})["metadata"]
    namespace = metadata.get("namespace", "default")
    return f"{namespace}/{metadata['name']}" if namespace != "default" else str(metadata["name"])


def _phase(pod: Json) -> str:
    return str(pod.get("status", {}).get("phase", ""))


_TELLING: Final[dict[str, Callable[[Json | None, Json | None], Iterator[str]]]] = {
    "ConfigMap": _gone,
    "CronJob": _gone,
    "DaemonSet": _gone,
    "Deployment": _scaled,
    "Job": _job,
    "Namespace": _gone,
    "Node": _node,
    "PersistentVolumeClaim": _claim,
    "Pod": _pod,
    "ReplicaSet": _scaled,
    "ReplicationController": _scaled,
    "StatefulSet": _scaled,
}
