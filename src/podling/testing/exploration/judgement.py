"""What must stand when nothing fails any more and everybody had time: the end that every history has to come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podling.testing.exploration.world import World, active, condition, controller_of, labelled, ready

Json = dict[str, Any]

OWNERS = {
    "Deployment": "apps/deployments",
    "ReplicaSet": "apps/replicasets",
    "StatefulSet": "apps/statefulsets",
    "DaemonSet": "apps/daemonsets",
    "Job": "batch/jobs",
}


def unfinished(world: World, acknowledged: Mapping[tuple[str, str], Json | None]) -> list[str]:
    """Everything that is not as it has to be. `acknowledged`: (resource, name) → the spec that the last answered write
    of its user left, None where it was deleted."""
    out = [*_kept(world, acknowledged), *_no_orphans(world)]
    for resource, check in _CHECKS.items():
        for obj in world.all(resource):
            out += check(world, obj)
    out += _endpoints(world)
    return out


def _kept(world: World, acknowledged: Mapping[tuple[str, str], Json | None]) -> Iterator[str]:
    for (resource, name), spec in sorted(acknowledged.items()):
        found = world.get(resource, "default", name)
        if spec is None:
            if found is not None:
                yield f"{resource} {name} was deleted and is still there"
        elif found is None:
            yield f"{resource} {name} was acknowledged and is not there"
        else:
            for field, value in spec.items():
                if value and not _within(value, found["spec"].get(field)):
                    yield f"{resource} {name}: {field} was acknowledged as {value}, it is {found['spec'].get(field)}"


def _within(wanted: Any, found: Any) -> bool:
    """Whether everything that was asked for is there; defaults may have joined it."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_within(value, found.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(wanted) == len(found) and all(map(_within, wanted, found))
    return bool(wanted == found)


def _no_orphans(world: World) -> Iterator[str]:
    for resource in ("core/pods", "apps/replicasets", "apps/controllerrevisions"):
        for obj in world.all(resource):
            owner = controller_of(obj)
            if owner and world.owner(obj, OWNERS[owner["kind"]]) is None:
                yield f"{obj['kind']} {obj['metadata']['name']} is an orphan of {owner['kind']} {owner['name']}"


def _full(world: World) -> bool:
    """No quota and no lack of room keeps Pods from being made or placed."""
    unplaced = any(condition(pod, "PodScheduled").get("status") == "False" for pod in world.all("core/pods"))
    return bool(world.all("core/resourcequotas")) or unplaced


def _replica_set(world: World, obj: Json) -> Iterator[str]:
    uid, wanted = obj["metadata"]["uid"], obj["spec"]["replicas"]
    have = [pod for pod in world.owned("core/pods", uid) if active(pod)]
    if len(have) > wanted or (len([*filter(ready, have)]) != wanted and not _full(world)):
        yield f"ReplicaSet {obj['metadata']['name']} has {len(have)} Pods of {wanted}"
    if (told := obj["status"].get("replicas", 0)) != len(have):
        yield f"ReplicaSet {obj['metadata']['name']} says {told} Pods, there are {len(have)}"


def _deployment(world: World, obj: Json) -> Iterator[str]:
    name, status, wanted = obj["metadata"]["name"], obj.get("status", {}), obj["spec"]["replicas"]
    if status.get("observedGeneration") != obj["metadata"]["generation"]:
        yield f"Deployment {name} was not looked at since its last change"
    numbers = [status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")]
    if numbers != [wanted] * 3 and not _full(world):
        yield f"Deployment {name} has {numbers} (all, updated, available) of {wanted}"


def _stateful_set(world: World, obj: Json) -> Iterator[str]:
    name, wanted, uid = obj["metadata"]["name"], obj["spec"]["replicas"], obj["metadata"]["uid"]
    have = sorted(pod["metadata"]["name"] for pod in world.owned("core/pods", uid) if active(pod))
    must = sorted(f"{name}-{number}" for number in range(wanted))
    unready = [pod for pod in world.owned("core/pods", uid) if not ready(pod)]
    if (have != must or unready) and not _full(world):
        yield f"StatefulSet {name} has {have}, it needs {must}"


def _daemon_set(world: World, obj: Json) -> Iterator[str]:
    uid = obj["metadata"]["uid"]
    have = sorted(pod["spec"].get("nodeName", "") for pod in world.owned("core/pods", uid) if ready(pod))
    must = sorted(node["metadata"]["name"] for node in world.all("core/nodes"))
    if have != must and not _full(world):
        yield f"DaemonSet {obj['metadata']['name']} runs on {have}, it has to on {must}"


def _job(world: World, obj: Json) -> Iterator[str]:
    name, succeeded = obj["metadata"]["name"], obj.get("status", {}).get("succeeded", 0)
    if not _full(world) and (succeeded != obj["spec"]["completions"] or not condition(obj, "Complete")):
        yield f"Job {name} has {succeeded} of {obj['spec']['completions']} completions"


def _endpoints(world: World) -> Iterator[str]:
    for service in world.all("core/services"):
        selector, name = service["spec"].get("selector"), service["metadata"]["name"]
        if not selector:
            continue
        slices = [
            each
            for each in world.all("discovery.k8s.io/endpointslices")
            if labelled(each, {"kubernetes.io/service-name": name})
        ]
        told = sorted(
            endpoint["addresses"][0]
            for each in slices
            for endpoint in each.get("endpoints") or ()
            if endpoint["conditions"]["ready"]
        )
        pods = sorted(
            pod["status"]["podIP"] for pod in world.all("core/pods") if labelled(pod, selector) and ready(pod)
        )
        if told != pods:
            yield f"Service {name} leads to {told}, ready are {pods}"


_CHECKS = {
    "apps/replicasets": _replica_set,
    "apps/deployments": _deployment,
    "apps/statefulsets": _stateful_set,
    "apps/daemonsets": _daemon_set,
    "batch/jobs": _job,
}
