"""Numbers of Pods: a ReplicaSet's, a Deployment's between maxUnavailable below and maxSurge above, a DaemonSet's."""

from __future__ import annotations

from collections.abc import Iterator

from podling.testing.exploration.rules.rule import FRESH, LAG, Json, Rules, born, namespace_goes
from podling.testing.exploration.world import (
    ENDED,
    World,
    active,
    controller_of,
    holds,
    ready,
    share,
    terminating,
    tolerates,
)


def no_more_pods_than_asked_for(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    """A ReplicaSet or ReplicationController never has more Pods than it was told to have."""
    if after is None or not born(before, after):
        return
    for kind in ("apps/replicasets", "core/replicationcontrollers"):
        if (owner := world.owner(after, kind)) is None:
            continue
        uid = owner["metadata"]["uid"]
        have = len([pod for pod in world.owned("core/pods", uid) if active(pod)])
        if have > (may := max(world.wanted(uid, now - LAG))):
            yield f"{owner['kind']} {owner['metadata']['name']} has {have} Pods, asked for were at most {may}"


def never_above_max_surge(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    """A Deployment never has more than maxSurge above what is asked for; a Pod that its ReplicaSet is to take away
    already does not count."""
    if after is None or not born(before, after) or (deployment := deployment_of(world, after)) is None:
        return
    rolling = deployment["spec"]["strategy"].get("rollingUpdate") or {"maxSurge": 0}
    uid = deployment["metadata"]["uid"]
    may = max(wanted + share(rolling["maxSurge"], wanted, up=True) for wanted in world.wanted(uid, now - LAG))
    have = sum(
        min(each["spec"]["replicas"], len([*filter(active, world.owned("core/pods", each["metadata"]["uid"]))]))
        for each in world.owned("apps/replicasets", uid)
    )
    if have > may:
        yield f"Deployment {deployment['metadata']['name']} has {have} Pods, at most {may} are allowed"


def never_below_max_unavailable(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    """No controller takes a ready Pod away that its Deployment needs; one that became ready just now may be taken for
    one that does not work."""
    if before is None or not ready(before) or (after is not None and not terminating(after)):
        return
    replica_set = world.owner(before, "apps/replicasets")
    deployment = deployment_of(world, before)
    if deployment is None or replica_set is None or terminating(deployment) or terminating(replica_set):
        return
    if namespace_goes(world, before):
        return
    if (rolling := deployment["spec"]["strategy"].get("rollingUpdate")) is None:
        return
    if world.ready_since(before) > now - FRESH or world.disturbed(
        deployment["spec"]["selector"]["matchLabels"], now - LAG
    ):
        return
    uid = deployment["metadata"]["uid"]
    asked = world.wanted(uid, now - LAG)
    rescaled = world.rescaled(uid, now - LAG)
    if rescaled is not None and len(_sized(world, uid, rescaled)) > 1:
        return  # scaled in the midst of a rollout: all templates give in proportion, with Pods or without
    must = min(_least(wanted, rolling) for wanted in asked)
    have = len([pod for pod in pods_of(world, uid) if ready(pod)])
    if have < must:
        yield f"Deployment {deployment['metadata']['name']} is left with {have} ready Pods, it needs {must}"


def _sized(world: World, uid: str, since: float) -> list[Json]:
    """The ReplicaSets of a Deployment that were to have Pods at some moment since then."""
    return [each for each in world.owned("apps/replicasets", uid) if any(world.wanted(each["metadata"]["uid"], since))]


def _least(wanted: int, rolling: Json) -> int:
    surge = share(rolling["maxSurge"], wanted, up=True)
    unavailable = share(rolling["maxUnavailable"], wanted, up=False)
    # Both may round to nothing; a rollout could then not begin.
    return wanted - (unavailable or (0 if surge else 1))


def recreating_never_mixes(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    """With Recreate a Pod of a new template is made when all old ones are gone."""
    if after is None or not born(before, after) or (deployment := deployment_of(world, after)) is None:
        return
    mine = controller_of(after)["uid"]
    if deployment["spec"]["strategy"]["type"] != "Recreate" or len(world.wanted(mine, now - LAG)) > 1:
        return
    for pod in pods_of(world, deployment["metadata"]["uid"]):
        old = controller_of(pod)["uid"] != mine and pod["status"].get("phase") not in ENDED
        if old and all(wanted == 0 for wanted in world.wanted(controller_of(pod)["uid"], now - LAG)):
            yield f"{after['metadata']['name']} was made while {pod['metadata']['name']} of another template was there"


def one_pod_of_a_daemon_set_on_a_node(
    world: World, now: float, before: Json | None, after: Json | None
) -> Iterator[str]:
    """With surge two, an old and a new one."""
    if after is None or not born(before, after) or (owner := world.owner(after, "apps/daemonsets")) is None:
        return
    rolling = owner["spec"]["updateStrategy"].get("rollingUpdate") or {}
    node, name = node_meant(after), owner["metadata"]["name"]
    there = [each for each in world.owned("core/pods", owner["metadata"]["uid"]) if node_meant(each) == node]
    have, may = len([*filter(active, there)]), 2 if rolling.get("maxSurge") else 1
    if have > may:
        yield f"DaemonSet {name} has {have} Pods on {node}, at most {may} are allowed"


def a_daemon_sets_nodes_are_updated_one_by_one(
    world: World, now: float, before: Json | None, after: Json | None
) -> Iterator[str]:
    """A rolling update takes a ready Pod away only while fewer than maxUnavailable of the nodes that are to have one
    are without, those counted whose Pod it has just taken itself.

    A Pod that is preempted, evicted or sent away by a taint says so: whoever takes it does not ask how an update is.
    """
    if before is None or after is None or not ready(before) or not terminating(after):
        return
    if holds(after, "DisruptionTarget") or namespace_goes(world, before) or world.ready_since(before) > now - FRESH:
        return
    owner = world.owner(before, "apps/daemonsets")
    if owner is None or terminating(owner):
        return
    rolling = owner["spec"]["updateStrategy"].get("rollingUpdate") or {}
    without = _nodes_without(world, before, now - LAG)
    if rolling.get("maxSurge") or node_meant(before) not in without:
        return
    # A share of few nodes may be nothing; an update could then not begin.
    may = share(rolling.get("maxUnavailable", 1), len(world.all("core/nodes")), up=True) or 1
    if len(without) > may:
        nodes = " and ".join(without)
        yield f"{before['metadata']['name']} was taken away, so {nodes} have no ready Pod, {may} may be without"


def _nodes_without(world: World, pod: Json, since: float) -> list[str]:
    """The nodes that are to have a Pod of this one's DaemonSet and have none that is ready; not those of which its
    controller need not know: they changed since then, or lost their Pod by no deed of a controller."""
    uid, mine = controller_of(pod)["uid"], pod["metadata"]["uid"]
    served = {node_meant(each) for each in world.owned("core/pods", uid) if ready(each)}
    lost = {
        node_meant(each.pod)
        for each in world.losses({}, since)
        if each.how != "deleted" and controller_of(each.pod).get("uid") == uid and each.pod["metadata"]["uid"] != mine
    }
    return [
        node
        for node in world.settled_nodes(since)
        if node not in served | lost and all(tolerates(pod, taint) for taint in world.repelling(node))
    ]


def node_meant(pod: Json) -> str:
    """The node that a Pod of a DaemonSet is on or was made for."""
    if node := pod["spec"].get("nodeName"):
        return str(node)
    needed = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    terms = needed.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms") or [{}]
    fields = terms[0].get("matchFields") or [{"values": [""]}]
    return str(fields[0]["values"][0])


def deployment_of(world: World, pod: Json) -> Json | None:
    replica_set = world.owner(pod, "apps/replicasets")
    return world.owner(replica_set, "apps/deployments") if replica_set is not None else None


def pods_of(world: World, uid: str) -> list[Json]:
    """Of all ReplicaSets of a Deployment."""
    sets = world.owned("apps/replicasets", uid)
    return [pod for each in sets for pod in world.owned("core/pods", each["metadata"]["uid"])]


RULES: Rules = {
    "core/pods": (
        no_more_pods_than_asked_for,
        never_above_max_surge,
        never_below_max_unavailable,
        recreating_never_mixes,
        one_pod_of_a_daemon_set_on_a_node,
        a_daemon_sets_nodes_are_updated_one_by_one,
    )
}
