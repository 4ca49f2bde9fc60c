"""Every rule of the exploration can fail: small worlds in which it is broken, and beside them some where it holds."""

from __future__ import annotations

from typing import Any

import msgspec

from podling.api.objects import Event, EventType, Head, Object
from podling.testing.exploration.judgement import PATIENCE, Patience, unfinished
from podling.testing.exploration.watchman import Watchman

Json = dict[str, Any]
READY = {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
RESOURCES = {
    "CronJob": "batch/cronjobs",
    "DaemonSet": "apps/daemonsets",
    "Deployment": "apps/deployments",
    "Job": "batch/jobs",
    "Namespace": "core/namespaces",
    "Node": "core/nodes",
    "PersistentVolumeClaim": "core/persistentvolumeclaims",
    "Pod": "core/pods",
    "PodDisruptionBudget": "policy/poddisruptionbudgets",
    "ReplicaSet": "apps/replicasets",
    "ResourceQuota": "core/resourcequotas",
    "StatefulSet": "apps/statefulsets",
}


class Played:
    """A watchman who is told what happens, a second after the other."""

    def __init__(self) -> None:
        self.watchman, self.now = Watchman(), 0.0

    def tell(self, *objects: Json, kind: EventType = "MODIFIED") -> list[str]:
        for obj in objects:
            self.now += 1.0
            metadata = obj["metadata"]
            parts = [RESOURCES[obj["kind"]], metadata.get("namespace", ""), metadata["name"]]
            head = Head(parts[1], parts[2], metadata["uid"], {}, {})
            raw = msgspec.json.encode(obj)
            self.watchman.observe(self.now, Event(kind, Object("/".join(filter(None, parts)), raw, 1, head, bytes)))
        return self.watchman.violations

    def gone(self, obj: Json) -> list[str]:
        return self.tell(obj, kind="DELETED")


def thing(kind: str, name: str, owner: Json | None = None, spec: Json | None = None, **more: Any) -> Json:
    metadata: Json = {"name": name, "uid": name, "labels": {"app": "a"}}
    if kind not in ("Node", "Namespace"):
        metadata["namespace"] = "default"
    if owner is not None:
        reference = {"kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        metadata["ownerReferences"] = [reference | {"controller": True}]
    return {"kind": kind, "metadata": metadata | more.pop("metadata", {}), "spec": spec or {}, **more}


def pod(name: str, owner: Json | None = None, cpu: str = "1", status: Json | None = None, **spec: Any) -> Json:
    containers = [{"name": "main", "image": "x", "resources": {"requests": {"cpu": cpu}}}]
    return thing("Pod", name, owner, {"containers": containers, **spec}, status=status or {"phase": "Pending"})


def going(obj: Json, **more: Any) -> Json:
    return obj | {"metadata": obj["metadata"] | {"deletionTimestamp": "now"}} | more


def rolling(replicas: int, surge: int, unavailable: int) -> tuple[Json, Json]:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    selector = {"matchLabels": {"app": "a"}}
    web = thing("Deployment", "web", spec={"replicas": replicas, "strategy": strategy, "selector": selector})
    return web, thing("ReplicaSet", "web-1", web, {"replicas": replicas})


def test_a_rollout_stays_within_its_bounds() -> None:
    web, first = rolling(2, surge=0, unavailable=0)
    second = thing("ReplicaSet", "web-2", web, {"replicas": 1})
    pods = [pod(f"p{number}", first, status=READY) for number in range(2)]
    above = Played()
    assert above.tell(web, first, *pods) == []
    assert "has 3 Pods, at most 2 are allowed" in above.tell(second, pod("new", second))[0]
    web, first = rolling(2, surge=1, unavailable=0)
    below = Played()
    assert below.tell(web, first, *pods, going(pods[0])) == []  # who became ready just now may be taken for broken
    below = Played()
    assert below.tell(web, first, *pods) == []
    below.now += 60
    assert "is left with 1 ready Pods, it needs 2" in below.tell(going(pods[0]))[0]


def test_who_loses_pods_to_a_lost_node_is_forgiven() -> None:
    web, first = rolling(2, surge=0, unavailable=0)
    pods = [pod(f"p{number}", first, status=READY) for number in range(2)]
    played = Played()
    unready = pods[0] | {"status": {"phase": "Running", "conditions": []}}
    assert played.tell(web, first, *pods, unready, going(pods[1])) == []


def test_templates_give_in_proportion_when_their_deployment_shrinks_though_not_all_have_pods() -> None:
    def shrunk(others: int) -> list[str]:
        web, first = rolling(4, surge=1, unavailable=0)
        played = Played()
        played.tell(web, first, thing("ReplicaSet", "web-2", web, {"replicas": others}))
        played.tell(last := pod("last", first, status=READY))
        played.now += 60
        played.tell(web | {"spec": web["spec"] | {"replicas": 1}})
        return played.tell(going(last))

    assert shrunk(others=2) == []
    assert "is left with 0 ready Pods, it needs 1" in shrunk(others=0)[0]


def test_recreating_begins_when_nothing_is_left() -> None:
    web = thing("Deployment", "web", spec={"replicas": 1, "strategy": {"type": "Recreate"}})
    old, new = thing("ReplicaSet", "old", web, {"replicas": 0}), thing("ReplicaSet", "new", web, {"replicas": 1})
    played = Played()
    assert played.tell(web, old, new, pod("last", old, status=READY)) == [
        "4.000 s: ReplicaSet old has 1 Pods, asked for were at most 0"
    ]
    assert "was made while last of another template was there" in played.tell(pod("first", new))[1]


def test_ordinals_come_and_go_in_order() -> None:
    db = thing("StatefulSet", "db", spec={"podManagementPolicy": "OrderedReady", "replicas": 3})
    played = Played()
    assert played.tell(db, pod("db-0", db, status=READY), pod("db-1", db)) == []
    assert played.tell(pod("db-2", db))[-1].endswith("db-2 was made before db-1 was ready")
    assert played.tell(going(pod("db-0", db)))[-1].endswith("db-0 was taken away while db-2 was not ready")
    played.watchman.running(played.now, {"default/db-0": ["node-1", "node-2"]})
    assert played.watchman.violations[-1].endswith("default/db-0 runs on node-1 and node-2 at once")


def test_a_daemon_set_has_one_pod_on_a_node() -> None:
    agent = thing("DaemonSet", "a", spec={"updateStrategy": {"rollingUpdate": {"maxUnavailable": 1}}})
    ready = [pod(f"p{number}", agent, nodeName=f"node-{number}", status=READY) for number in range(2)]
    played = Played()
    assert played.tell(agent, *ready) == []
    assert "has 2 Pods on node-1" in played.tell(pod("twice", agent, nodeName="node-1"))[0]


def updated(unavailable: int | str = 1, nodes: int = 3) -> tuple[Played, Json, list[Json]]:
    """A DaemonSet whose Pods are ready on all nodes, for long."""
    agent = thing("DaemonSet", "a", spec={"updateStrategy": {"rollingUpdate": {"maxUnavailable": unavailable}}})
    names = [f"node-{number}" for number in range(nodes)]
    pods = [pod(f"p{number}", agent, nodeName=name, status=READY) for number, name in enumerate(names)]
    played = Played()
    assert played.tell(agent, *(thing("Node", name) for name in names), *pods) == []
    played.now += 60
    return played, agent, pods


def test_an_update_takes_no_more_of_a_daemon_sets_pods_than_may_be_unavailable() -> None:
    played, agent, (first, second, _) = updated()
    assert played.tell(going(first)) == []
    wrong = "p1 was taken away, so node-0 and node-1 have no ready Pod, 1 may be without"
    assert wrong in played.tell(going(second))[0]

    def then(*happens: Json) -> list[str]:
        played, _, _ = updated()
        assert played.tell(going(first)) == []
        played.gone(first)
        played.now += 20
        played.tell(*happens)
        played.now += 20
        return played.tell(going(second))

    assert wrong in then()[0]
    assert wrong in then(pod("new", agent, nodeName="node-0"))[0]
    assert then(pod("new", agent, nodeName="node-0", status=READY)) == []
    for many in (2, "50%"):
        played, _, pods = updated(many)
        assert played.tell(going(pods[0]), going(pods[1])) == []
        assert "so node-0 and node-1 and node-2 have no ready Pod, 2 may be" in played.tell(going(pods[2]))[0]


def test_an_update_of_a_daemon_set_is_not_blamed_for_what_others_take_and_what_it_cannot_know_yet() -> None:
    def then(*happens: Json, later: float = 0.0) -> list[str]:
        played, _, (_, second, _) = updated()
        played.tell(*happens)
        played.now += later
        return played.tell(going(second))

    _, agent, (first, second, _) = updated()
    unready = first | {"status": {"phase": "Running", "conditions": []}}
    assert then(unready) == []
    assert "node-0 and node-1 have no ready Pod" in then(unready, later=60)[0]
    assert then(thing("Node", "node-3")) == []
    assert "node-1 and node-3 have no ready Pod" in then(thing("Node", "node-3"), later=60)[0]
    tainted = thing("Node", "node-0", spec={"taints": [{"key": "off", "effect": "NoExecute"}]})
    assert then(tainted, going(first), later=60) == []
    # Whose own node sends it away, or who stands beside another that is ready, is not missed by an update.
    assert then(going(first), thing("Node", "node-1", spec=tainted["spec"])) == []
    played, _, _ = updated()
    played.tell(going(first), pod("twin", agent, nodeName="node-1", status=READY))
    assert not [each for each in played.tell(going(second)) if "taken away" in each]


def test_who_preempts_a_daemon_sets_pod_is_not_bound_by_the_limits_of_its_updates() -> None:
    agent = thing("DaemonSet", "a", spec={"updateStrategy": {"rollingUpdate": {"maxUnavailable": 1}}})

    def taken(*conditions: Json) -> list[str]:
        status = {"phase": "Running", "conditions": [*READY["conditions"], *conditions]}
        victim, waiting = pod("victim", agent, nodeName="n", status=status), pod("waiting", agent, nodeName="m")
        played, nodes = Played(), [thing("Node", name) for name in "nm"]
        assert played.tell(agent, *nodes, pod("more", priority=1), waiting, victim) == []
        played.now += 60
        return played.tell(going(victim))

    condition = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    assert taken(condition) == []
    assert "victim was taken away, so m and n have no ready Pod" in taken(condition | {"status": "False"})[0]
    assert "victim was taken away, so m and n have no ready Pod" in taken()[0]


def test_nobody_is_bound_where_pods_are_kept_away_or_nothing_is_left() -> None:
    tainted = thing("Node", "node-1", spec={"taints": [{"key": "off", "effect": "NoSchedule"}]})
    played = Played()
    assert played.tell(tainted, pod("soon", nodeName="node-1")) == []
    played.now += 60
    assert "which has the taint off" in played.tell(pod("late", nodeName="node-1"))[0]
    tolerating = pod("may", nodeName="node-1", tolerations=[{"key": "off", "operator": "Exists"}])
    assert len(played.tell(tolerating)) == 1
    assert (
        "where 9 of 8 cores are taken"
        in Played().tell(pod("a", nodeName="n", cpu="5"), pod("b", nodeName="n", cpu="4"))[0]
    )
    assert "was moved from n to m" in Played().tell(pod("a", nodeName="n"), pod("a", nodeName="m"))[0]


def test_who_is_preempted_matters_less_than_somebody() -> None:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    victim = pod("victim", priority=5, status={"phase": "Running", "conditions": [condition]})
    assert Played().tell(pod("more", priority=6), victim) == []
    forgotten = Played()
    more = pod("more", priority=6)
    assert forgotten.tell(more) == forgotten.gone(more) == forgotten.tell(victim) == []
    forgotten.now += 20
    assert "nothing that matters more is there" in forgotten.tell(pod("late", priority=5, status=victim["status"]))[0]
    assert "nothing that matters more is there" in Played().tell(pod("same", priority=5), victim)[0]


def test_quotas_and_budgets_are_kept() -> None:
    quota = thing("ResourceQuota", "q", spec={"hard": {"pods": "1"}}, status={"used": {"pods": "0"}})
    assert Played().tell(quota, pod("a"), pod("b")) == ["3.000 s: 2 Pods where the quota allows 1"]
    budget = thing("PodDisruptionBudget", "b", spec={"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}})
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    evicted = going(pod("only"), status={"phase": "Running", "conditions": [*READY["conditions"], condition]})
    assert "only was evicted, 0 are left ready of 1" in Played().tell(budget, pod("only", status=READY), evicted)[0]


def test_jobs_do_what_was_asked_for_once() -> None:
    spec = {"parallelism": 2, "completions": 2, "completionMode": "Indexed"}
    job = thing("Job", "j", spec=spec, status={"succeeded": 1})
    index = {"annotations": {"batch.kubernetes.io/job-completion-index": "0"}}
    twice = [each | {"metadata": each["metadata"] | index} for each in (pod("a", job), pod("b", job))]
    assert "works on an index twice" in Played().tell(job, *twice)[0]
    many = Played().tell(job | {"spec": spec | {"completionMode": "NonIndexed"}}, *(pod(each, job) for each in "abc"))
    assert "runs 3 Pods, at most 2" in many[0]
    assert "runs 3 Pods and 0 succeeded, of 2 completions" in many[1]
    assert "had 1 completions and now has 0" in Played().tell(job, job | {"status": {}})[0]


def test_a_schedule_keeps_to_its_policy() -> None:
    cron = thing("CronJob", "c", spec={"concurrencyPolicy": "Forbid"})
    moments = [{"annotations": {"batch.kubernetes.io/cronjob-scheduled-timestamp": each}} for each in "01"]
    first, second = (thing("Job", f"j{number}", cron, metadata=each) for number, each in enumerate(moments))
    ended = first | {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    assert Played().tell(cron, ended, second) == []
    assert "began j1 beside j0 (Forbid)" in Played().tell(cron, first, second)[0]
    again = second | {"metadata": second["metadata"] | moments[0]}
    assert "has two Jobs of 0" in Played().tell(cron, ended, again)[0]


def test_what_belongs_to_somebody_stays_with_them() -> None:
    owner = thing("ReplicaSet", "rs", spec={"replicas": 1})
    mine = pod("mine", owner)
    assert "mine was made an orphan of ReplicaSet rs" in Played().tell(owner, mine, pod("mine"))[0]
    asked = Played()
    asked.watchman.world.may_orphan["apps/replicasets", "default", "rs"] = None
    assert asked.tell(owner, mine, pod("mine")) == []
    scratch = [thing("PersistentVolumeClaim", "mine-scratch", each) for each in (mine, None)]
    assert "mine-scratch was made an orphan of Pod mine" in Played().tell(mine, *scratch)[0]
    web, first = rolling(1, surge=1, unavailable=0)
    played = Played()
    played.tell(web, first)
    assert "web-1 was taken away with 1 replicas" in played.gone(first)[0]


def test_a_volume_is_given_once_and_a_claim_in_use_stays() -> None:
    claims = [thing("PersistentVolumeClaim", f"c{number}", spec={"volumeName": "v"}) for number in range(2)]
    assert "both have the volume v" in Played().tell(*claims)[0]
    played = Played()
    user = pod("user", nodeName="n", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c0"}}])
    played.tell(claims[0], user)
    assert "claim c0 is gone, user still uses it" in played.gone(claims[0])[0]


def test_a_namespace_goes_last_and_takes_nothing_new() -> None:
    space, inside = thing("Namespace", "default"), pod("p")
    assert "made in a namespace that is being deleted" in Played().tell(space, going(space), inside)[0]
    played = Played()
    played.tell(space, inside)
    assert "namespace default is gone before Pod p" in played.gone(space)[0]


def test_what_was_acknowledged_goes_only_when_asked() -> None:
    web, _ = rolling(1, surge=1, unavailable=0)
    name = ("apps/deployments", "default", "web")
    for asked in (True, False):
        played = Played()
        played.watchman.acknowledged[name] = web["spec"]
        played.tell(web)
        if asked:
            played.watchman.asked_to_go[name] = None
        assert (played.gone(web) == []) == asked


def test_at_the_end_nobody_waits_where_there_is_room() -> None:
    played = Played()
    unplaced = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False"}]}
    played.tell(thing("Node", "node-1"), pod("there", nodeName="node-1", cpu="6", status=READY))
    played.tell(pod("waits", cpu="3", status=unplaced))
    assert unfinished(played.watchman.world, {}) == []
    played.tell(pod("waits", cpu="2", status=unplaced))
    assert unfinished(played.watchman.world, {}) == ["Pod waits waits for a node, and node-1 could take it"]
    played.tell(pod("waits", cpu="3", status=unplaced, priority=1))
    assert len(unfinished(played.watchman.world, {})) == 1


def test_a_pod_without_a_node_does_not_excuse_one_that_nobody_made() -> None:
    played = Played()
    unplaced = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False"}]}
    few = thing("ReplicaSet", "few", spec={"replicas": 2}, status={"replicas": 1})
    played.tell(thing("ResourceQuota", "quota", spec={"hard": {"pods": "2"}}, status={"used": {"pods": "1"}}))
    played.tell(few, pod("waits", few, status=unplaced))
    assert "ReplicaSet few has 1 Pods of 2" in unfinished(played.watchman.world, {})
    played.tell(
        pod("other"), thing("ResourceQuota", "quota", spec={"hard": {"pods": "2"}}, status={"used": {"pods": "2"}})
    )
    assert "ReplicaSet few has 1 Pods of 2" not in unfinished(played.watchman.world, {})


def test_a_rollout_under_a_quota_may_pause_for_each_of_its_pods_and_not_for_ever() -> None:
    def given_up(steps: int, *, quota: bool) -> bool:
        patience = Patience(0.0)
        return any(patience.is_over(step * 1000.0, [f"{step} of 5"], quota=quota) for step in range(steps))

    assert not given_up(6, quota=True)
    assert given_up(6, quota=False)
    assert given_up(20, quota=True)
    assert Patience(0.0).is_over(PATIENCE + 1, [], quota=True)
    waits = Patience(0.0)
    assert [waits.is_over(at, ["3 of 5"], quota=True) for at in (0.0, PATIENCE, PATIENCE + 1)] == [False, False, True]
