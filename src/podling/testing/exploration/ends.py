"""How each kind has to look when everything is at rest. Pure.

Only a quota that is used up, or a Pod of its own for which there is no room, excuses a workload that is not complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from podling.testing.exploration.plan import FAILING_IMAGE
from podling.testing.exploration.rules.limits import counted
from podling.testing.exploration.rules.rollouts import node_meant
from podling.testing.exploration.world import World, active, controller_of, holds, labelled, ready, unplaced

Json = dict[str, Any]
Check = Callable[[World, Json], Iterator[str]]


def _short(world: World, obj: Json) -> bool:
    """Something that is missing keeps its Pods from being made or placed: room, or what a quota allows."""
    namespace, app = obj["metadata"]["namespace"], obj["metadata"]["labels"]["app"]
    waiting = [pod for pod in counted(world, namespace) if labelled(pod, {"app": app}) and unplaced(pod)]
    return bool(waiting) or used_up(world, namespace)


def used_up(world: World, namespace: str) -> bool:
    quotas = [each for each in world.all("core/resourcequotas") if each["metadata"]["namespace"] == namespace]
    return any(len(counted(world, namespace)) >= int(each["spec"]["hard"]["pods"]) for each in quotas)


def _replicas(world: World, obj: Json) -> Iterator[str]:
    uid, wanted, what = obj["metadata"]["uid"], obj["spec"]["replicas"], f"{obj['kind']} {obj['metadata']['name']}"
    have = [pod for pod in world.owned("core/pods", uid) if active(pod)]
    # Who finds no node is there all the same, so only a quota excuses one that is not; who was refused by it asks
    # again after up to a thousand seconds, though there has long been room.
    missing = len(have) < wanted and not used_up(world, obj["metadata"]["namespace"])
    unready = len([*filter(ready, have)]) != wanted and not _short(world, obj)
    if len(have) > wanted or missing or unready:
        yield f"{what} has {len(have)} Pods of {wanted}"
    if (told := obj["status"].get("replicas", 0)) != len(have):
        yield f"{what} says {told} Pods, there are {len(have)}"
    if (told := obj["status"].get("readyReplicas", 0)) != (number := len([*filter(ready, have)])):
        yield f"{what} says {told} ready Pods, there are {number}"


def _deployment(world: World, obj: Json) -> Iterator[str]:
    name, status, wanted = obj["metadata"]["name"], obj.get("status", {}), obj["spec"]["replicas"]
    if status.get("observedGeneration") != obj["metadata"]["generation"]:
        yield f"Deployment {name} was not looked at since its last change"
    numbers = [status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")]
    if numbers != [wanted] * 3 and not _short(world, obj):
        yield f"Deployment {name} has {numbers} (all, updated, available) of {wanted}"


def _stateful_set(world: World, obj: Json) -> Iterator[str]:
    name, wanted, uid = obj["metadata"]["name"], obj["spec"]["replicas"], obj["metadata"]["uid"]
    start = (obj["spec"].get("ordinals") or {}).get("start", 0)
    have = sorted(pod["metadata"]["name"] for pod in world.owned("core/pods", uid) if active(pod))
    must = sorted(f"{name}-{number}" for number in range(start, start + wanted))
    unready = [pod for pod in world.owned("core/pods", uid) if not ready(pod)]
    if (have != must or unready) and not _short(world, obj):
        yield f"StatefulSet {name} has {have}, it needs {must}"
    if obj["spec"].get("volumeClaimTemplates"):
        for pod in have:
            claim = world.get("core/persistentvolumeclaims", obj["metadata"]["namespace"], f"data-{pod}")
            if claim is None:
                yield f"Pod {pod} has no claim"


def _daemon_set(world: World, obj: Json) -> Iterator[str]:
    uid = obj["metadata"]["uid"]
    mine = world.owned("core/pods", uid)
    have = sorted(pod["spec"].get("nodeName", "") for pod in mine if ready(pod))
    must = sorted(node["metadata"]["name"] for node in world.all("core/nodes"))
    if have != must and not _short(world, obj):
        yield f"DaemonSet {obj['metadata']['name']} runs on {have}, it has to on {must}"
    meant = sorted(node_meant(pod) for pod in mine if active(pod))
    if meant != must and not used_up(world, obj["metadata"]["namespace"]) and not _surges(obj):
        yield f"DaemonSet {obj['metadata']['name']} has Pods for {meant}, it has to for {must}"


def _surges(obj: Json) -> bool:
    return bool((obj["spec"]["updateStrategy"].get("rollingUpdate") or {}).get("maxSurge"))


def _job(world: World, obj: Json) -> Iterator[str]:
    name, spec = obj["metadata"]["name"], obj["spec"]
    if _short(world, obj) or spec.get("suspend"):
        return
    if spec["template"]["spec"]["containers"][0]["image"] == FAILING_IMAGE:
        if not holds(obj, "Failed"):
            yield f"Job {name} has not failed"
        return
    succeeded = obj.get("status", {}).get("succeeded", 0)
    if succeeded != spec["completions"] or not holds(obj, "Complete"):
        yield f"Job {name} has {succeeded} of {spec['completions']} completions"


def _cron_job(world: World, obj: Json) -> Iterator[str]:
    name, spec = obj["metadata"]["name"], obj["spec"]
    ended = [each for each in world.owned("batch/jobs", obj["metadata"]["uid"]) if holds(each, "Complete")]
    if len(ended) > (limit := spec["successfulJobsHistoryLimit"]):
        yield f"CronJob {name} keeps {len(ended)} Jobs that are complete, it may {limit}"
    running = {each["uid"] for each in obj.get("status", {}).get("active") or ()}
    jobs = {each["metadata"]["uid"] for each in world.owned("batch/jobs", obj["metadata"]["uid"]) if not _ended(each)}
    if running != jobs:
        yield f"CronJob {name} says that {len(running)} Jobs run, there are {len(jobs)}"


def _ended(job: Json) -> bool:
    return holds(job, "Complete") or holds(job, "Failed")


def _autoscaler(world: World, obj: Json) -> Iterator[str]:
    name, spec, namespace = obj["metadata"]["name"], obj["spec"], obj["metadata"]["namespace"]
    target = world.get("apps/deployments", namespace, spec["scaleTargetRef"]["name"])
    if target is None:
        return
    replicas, status = target["spec"]["replicas"], obj.get("status", {})
    if not spec["minReplicas"] <= replicas <= spec["maxReplicas"]:
        yield f"autoscaler {name} left {replicas} replicas, outside its bounds"
    if holds(obj, "ScalingActive") and status.get("desiredReplicas") != replicas:
        yield f"autoscaler {name} wants {status.get('desiredReplicas')} replicas, {replicas} are asked for"


def _claim(world: World, obj: Json) -> Iterator[str]:
    """There are always more volumes than claims."""
    name, volume = obj["metadata"]["name"], obj["spec"].get("volumeName", "")
    held = world.get("core/persistentvolumes", "", volume) if volume else None
    if name.endswith("-scratch") and not controller_of(obj):
        yield f"claim {name} is left without its Pod"
    if obj.get("status", {}).get("phase") != "Bound" or held is None:
        yield f"claim {name} is {obj.get('status', {}).get('phase')} ({volume})"
    elif held["spec"].get("claimRef", {}).get("uid") != obj["metadata"]["uid"]:
        yield f"claim {name} and volume {volume} do not know each other"


def _budget(world: World, obj: Json) -> Iterator[str]:
    name, status, selector = obj["metadata"]["name"], obj.get("status", {}), obj["spec"]["selector"]["matchLabels"]
    healthy = [pod for pod in world.all("core/pods") if labelled(pod, selector) and ready(pod)]
    if status.get("currentHealthy") != len(healthy):
        yield f"the budget {name} counts {status.get('currentHealthy')} healthy Pods, there are {len(healthy)}"
    if status.get("disruptedPods"):
        yield f"the budget {name} still waits for {sorted(status['disruptedPods'])}"


def _quota(world: World, obj: Json) -> Iterator[str]:
    told, have = obj.get("status", {}).get("used", {}).get("pods"), len(counted(world, obj["metadata"]["namespace"]))
    if told != str(have):
        yield f"the quota says {told} Pods, there are {have}"


def _service(world: World, obj: Json) -> Iterator[str]:
    selector, name, namespace = obj["spec"].get("selector"), obj["metadata"]["name"], obj["metadata"]["namespace"]
    if not selector:
        return
    slices = [
        each
        for each in world.all("discovery.k8s.io/endpointslices")
        if labelled(each, {"kubernetes.io/service-name": name}) and each["metadata"]["namespace"] == namespace
    ]
    told = sorted(
        endpoint["addresses"][0]
        for each in slices
        for endpoint in each.get("endpoints") or ()
        if endpoint["conditions"]["ready"]
    )
    pods = sorted(pod["status"]["podIP"] for pod in counted(world, namespace) if labelled(pod, selector) and ready(pod))
    if told != pods:
        yield f"Service {name} leads to {told}, ready are {pods}"


def _pod(world: World, obj: Json) -> Iterator[str]:
    """Where Pods are, and that those of a node that is gone are gone, too."""
    node = obj["spec"].get("nodeName")
    if node and world.get("core/nodes", "", node) is None:
        yield f"Pod {obj['metadata']['name']} is on {node}, which is no more"
    if active(obj) and holds(obj, "DisruptionTarget"):
        yield f"Pod {obj['metadata']['name']} was said to go, and did not"


CHECKS: Final[dict[str, Check]] = {
    "apps/daemonsets": _daemon_set,
    "apps/deployments": _deployment,
    "apps/replicasets": _replicas,
    "apps/statefulsets": _stateful_set,
    "autoscaling/horizontalpodautoscalers": _autoscaler,
    "batch/cronjobs": _cron_job,
    "batch/jobs": _job,
    "core/persistentvolumeclaims": _claim,
    "core/pods": _pod,
    "core/replicationcontrollers": _replicas,
    "core/resourcequotas": _quota,
    "core/services": _service,
    "policy/poddisruptionbudgets": _budget,
}
