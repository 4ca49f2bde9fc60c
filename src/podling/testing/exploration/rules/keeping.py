"""What belongs to somebody stays with them: owners, volumes, claims in use, and what lives in a namespace."""

from __future__ import annotations

from collections.abc import Iterator

from podling.testing.exploration.rules.rule import Json, Rules, born, namespace_goes
from podling.testing.exploration.world import ENDED, World, controller_of, terminating

OWNERS = {
    "ConfigMap": "core/configmaps",
    "CronJob": "batch/cronjobs",
    "DaemonSet": "apps/daemonsets",
    "Deployment": "apps/deployments",
    "Job": "batch/jobs",
    "Pod": "core/pods",
    "ReplicaSet": "apps/replicasets",
    "ReplicationController": "core/replicationcontrollers",
    "StatefulSet": "apps/statefulsets",
}


def nobody_is_made_an_orphan(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    """A controller is taken from its object only where a user's deletion asked for that."""
    if before is None or after is None or before["metadata"]["uid"] != after["metadata"]["uid"]:
        return
    was, namespace = controller_of(before), before["metadata"].get("namespace", "")
    if not was or controller_of(after).get("uid") == was["uid"]:
        return
    if (OWNERS[was["kind"]], namespace, was["name"]) not in world.may_orphan:
        yield f"{after['kind']} {after['metadata']['name']} was made an orphan of {was['kind']} {was['name']}"


def a_claim_stays_with_its_pod(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    """What lives as long as a Pod (a StatefulSet's claims change hands: who takes them along is its choice)."""
    if before is not None and before["metadata"]["name"].endswith("-scratch"):
        yield from nobody_is_made_an_orphan(world, now, before, after)


def nobody_is_collected_while_the_owner_stays(
    world: World, now: float, before: Json | None, after: Json | None
) -> Iterator[str]:
    """A ReplicaSet that its Deployment still counts on (no revision too many, nothing deleted) does not go."""
    if before is None or (after is not None and (terminating(before) or not terminating(after))):
        return
    owner = world.owner(before, "apps/deployments")
    if (
        owner is not None
        and not terminating(owner)
        and before["spec"]["replicas"]
        and not namespace_goes(world, before)
    ):
        yield f"{before['kind']} {before['metadata']['name']} was taken away with {before['spec']['replicas']} replicas"


def a_volume_has_one_claim(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    if after is None or not (volume := after["spec"].get("volumeName")):
        return
    name, uid = after["metadata"]["name"], after["metadata"]["uid"]
    for other in world.all("core/persistentvolumeclaims"):
        if other["spec"].get("volumeName") == volume and other["metadata"]["uid"] != uid:
            yield f"the claims {name} and {other['metadata']['name']} both have the volume {volume}"
    held = world.get("core/persistentvolumes", "", volume)
    if held is not None and held["spec"].get("claimRef", {}).get("uid") != uid and not terminating(after):
        yield f"claim {name} has the volume {volume}, which is of another"


def a_claim_in_use_stays(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    if before is None or after is not None or namespace_goes(world, before):
        return
    name, namespace = before["metadata"]["name"], before["metadata"]["namespace"]
    for pod in world.all("core/pods"):
        volumes = pod["spec"].get("volumes") or ()
        uses = any(each.get("persistentVolumeClaim", {}).get("claimName") == name for each in volumes)
        runs = pod["spec"].get("nodeName") and pod["status"].get("phase") not in ENDED
        if uses and runs and pod["metadata"]["namespace"] == namespace:
            yield f"claim {name} is gone, {pod['metadata']['name']} still uses it"


def nothing_is_made_where_a_namespace_goes(
    world: World, now: float, before: Json | None, after: Json | None
) -> Iterator[str]:
    if after is not None and born(before, after) and namespace_goes(world, after):
        yield f"{after['kind']} {after['metadata']['name']} was made in a namespace that is being deleted"


def nothing_outlives_its_namespace(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    if before is None or after is not None:
        return
    for resource in OWNERS.values():
        for each in world.all(resource):
            if each["metadata"]["namespace"] == before["metadata"]["name"]:
                yield f"namespace {before['metadata']['name']} is gone before {each['kind']} {each['metadata']['name']}"


_OWNED = (nobody_is_made_an_orphan, nothing_is_made_where_a_namespace_goes)
RULES: Rules = {
    "apps/replicasets": (*_OWNED, nobody_is_collected_while_the_owner_stays),
    "apps/statefulsets": (nothing_is_made_where_a_namespace_goes,),
    "batch/jobs": _OWNED,
    "core/configmaps": _OWNED,
    "core/namespaces": (nothing_outlives_its_namespace,),
    "core/persistentvolumeclaims": (a_claim_stays_with_its_pod, a_volume_has_one_claim, a_claim_in_use_stays),
    "core/pods": _OWNED,
}
