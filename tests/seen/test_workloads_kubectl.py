"""What has to be seen of workloads with the real kubectl on real nodes: `make seen ISSUE=workloads`.

Each test prints its line, the figure it found and the bound.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from podling.cluster import load
from tests.e2e.harness import BIN, EXAMPLE, Cluster, eventually, run

pytestmark = [pytest.mark.real, pytest.mark.slow]
Show = Callable[[str, object, object], None]
Json = dict[str, Any]
BURN = "while :; do i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; sleep 0.05; done"


def deployment(name: str, *command: str, replicas: int = 1, pod: Json | None = None, **container: Any) -> Json:
    one = {"name": "c", "image": "host:1", **({"command": list(command)} if command else {}), **container}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [one], **(pod or {})}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    whole = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": whole}


def rolled_out(cluster: Cluster, what: str) -> str:
    return cluster.kubectl("rollout", "status", what, "--timeout=40s").ok().out


def revisions(cluster: Cluster, what: str) -> list[int]:
    lines = cluster.kubectl("rollout", "history", what).ok().out.splitlines()
    return [int(line.split()[0]) for line in lines if re.match(r"\d", line)]


def replicas(cluster: Cluster, name: str) -> Json:
    status: Json = cluster.json("get", "deploy", name)["status"]
    return {key: status.get(key, 0) for key in ("readyReplicas", "updatedReplicas")}


def test_a_rollout_is_followed_told_undone_restarted_paused_and_scaled(cluster: Cluster, show: Show) -> None:
    cluster.create(deployment("roll", replicas=2))
    said = rolled_out(cluster, "deploy/roll").splitlines()[-1]
    cluster.kubectl("set", "env", "deploy/roll", "X=1").ok()
    rolled_out(cluster, "deploy/roll")
    cluster.kubectl("rollout", "restart", "deploy/roll").ok()
    rolled_out(cluster, "deploy/roll")
    before = revisions(cluster, "deploy/roll")
    undone = cluster.kubectl("rollout", "undo", "deploy/roll", "--to-revision=1").ok().out.strip()
    rolled_out(cluster, "deploy/roll")
    after = revisions(cluster, "deploy/roll")
    cluster.kubectl("rollout", "pause", "deploy/roll").ok()
    cluster.kubectl("set", "env", "deploy/roll", "Y=1").ok()
    cluster.kubectl("scale", "deploy/roll", "--replicas=3").ok()
    cluster.kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "deploy/roll", "--timeout=20s").ok()
    paused = replicas(cluster, "roll")
    cluster.kubectl("rollout", "resume", "deploy/roll").ok()
    rolled_out(cluster, "deploy/roll")
    show(
        "rollout status, history, undo, restart, pause; scale; wait",
        f"{said}; revisions {before} then {after}; {undone}; paused at {paused}",
        "the words of kubectl; nothing new while paused",
    )
    assert said == 'deployment "roll" successfully rolled out'
    assert (before, after) == ([1, 2, 3], [2, 3, 4])
    assert undone == "deployment.apps/roll rolled back"
    assert paused == {"readyReplicas": 3, "updatedReplicas": 0}
    cluster.kubectl("delete", "deploy", "roll").ok()


def test_a_job_is_made_from_a_cronjob_and_waited_for(cluster: Cluster, show: Show) -> None:
    command = ["cronjob", "yearly", "--image=host:1", "--schedule=0 0 1 1 *", "--", "sh", "-c", "echo done"]
    cluster.kubectl("create", *command).ok()
    made = cluster.kubectl("create", "job", "--from=cronjob/yearly", "now").ok().out.strip()
    waited = cluster.kubectl("wait", "--for=condition=complete", "job/now", "--timeout=20s").ok().out.strip()
    logs = cluster.kubectl("logs", "job/now").ok().out.strip()
    show("create job --from, wait", f"{made}; {waited}; its log says {logs!r}", "created, complete")
    assert (made, waited, logs) == ("job.batch/now created", "job.batch/now condition met", "done")
    cluster.kubectl("delete", "cronjob/yearly").ok()


def autoscaler(cluster: Cluster, name: str) -> Json:
    found: Json = cluster.json("get", "hpa", name)
    return found


@pytest.mark.timed
def test_a_deployment_under_real_load_is_measured_and_scaled_up_and_down(cluster: Cluster, show: Show) -> None:
    asked = {"resources": {"requests": {"cpu": "50m"}}}
    cluster.create(deployment("burn", "sh", "-c", BURN, **asked))
    rolled_out(cluster, "deploy/burn")
    scaled = ("autoscale", "deploy", "burn", "--min=1", "--max=2", "--cpu=50%")
    assert cluster.kubectl(*scaled).ok().out == "horizontalpodautoscaler.autoscaling/burn autoscaled\n"
    began = time.monotonic()
    quick = {"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}}
    cluster.kubectl("patch", "hpa", "burn", "--type=merge", "-p", str(quick).replace("'", '"')).ok()
    top = cluster.kubectl("top", "pod", "-l", "app=burn", "--no-headers").ok().out.split()
    node = cluster.kubectl("top", "node", "--no-headers").ok().out.split()
    eventually(lambda: replicas(cluster, "burn")["readyReplicas"] == 2, 60, "two replicas under load")
    up = time.monotonic() - began
    targets = cluster.kubectl("get", "hpa", "burn", "--no-headers").ok().out.split()
    cluster.kubectl("patch", "deploy", "burn", "--type=json", "-p", idle()).ok()
    rolled_out(cluster, "deploy/burn")
    eventually(lambda: cluster.json("get", "deploy", "burn")["spec"]["replicas"] == 1, 90, "one replica without load")
    told = cluster.kubectl("describe", "hpa", "burn").ok().out
    show(
        "autoscale under real load, top pod and node",
        f"{top[1]} of 50m used, node {node[1]} ({node[2]}); {' '.join(targets[2:4])}; 2 replicas after {up:.0f} s",
        "2 replicas under load, 1 without",
    )
    assert int(top[1].removesuffix("m")) > 25
    assert "New size: 2; reason: cpu resource utilization (percentage of request) above target" in told
    assert "New size: 1; reason: All metrics below target" in told
    cluster.kubectl("delete", "hpa,deploy", "burn").ok()


def idle() -> str:
    """A patch of the Deployment whose Pods then do nothing."""
    return '[{"op":"replace","path":"/spec/template/spec/containers/0/command","value":["sleep","infinity"]}]'


def node_command(cluster: Cluster, *words: str) -> None:
    run(str(BIN / "podling"), "node", *words, "--name", cluster.name, env=cluster.env).ok()


@pytest.fixture
def nodes(cluster: Cluster) -> Iterator[str]:
    """Two simulated nodes beside the real one, whose name is given."""
    node_command(cluster, "add", "sim", "--fake", "2", "--cpu", "2", "--memory", "4Gi", "--untainted")
    names = [each["metadata"]["name"] for each in cluster.json("get", "nodes")["items"]]
    cluster.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=20s").ok()
    assert len(names) == 3
    yield next(name for name in names if not name.startswith("sim"))
    node_command(cluster, "delete", "sim")


def places(cluster: Cluster, app: str) -> list[str]:
    """The nodes of the Pods that stand."""
    found = cluster.pods(f"app={app}")
    return [each["spec"].get("nodeName", "") for each in found if not each["metadata"].get("deletionTimestamp")]


def least_ready(cluster: Cluster, app: str, seen: list[int], over: threading.Event) -> None:
    while not over.is_set():
        pods = [each for each in cluster.pods(f"app={app}") if not each["metadata"].get("deletionTimestamp")]
        conditions = [{each["type"]: each["status"] for each in pod["status"].get("conditions", ())} for pod in pods]
        seen.append(sum(each.get("Ready") == "True" for each in conditions))


@contextmanager
def watching_the_ready(cluster: Cluster, app: str) -> Iterator[list[int]]:
    seen: list[int] = []
    over = threading.Event()
    thread = threading.Thread(target=least_ready, args=(cluster, app, seen, over))
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_a_node_is_cordoned_and_drained_within_its_budget(cluster: Cluster, nodes: str, show: Show) -> None:
    spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    constraints = [spread | {"labelSelector": {"matchLabels": {"app": "kept"}}}]
    cluster.create(
        deployment("kept", replicas=6, pod={"topologySpreadConstraints": constraints}),
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "kept"},
            "spec": {"minAvailable": 5, "selector": {"matchLabels": {"app": "kept"}}},
        },
    )
    rolled_out(cluster, "deploy/kept")
    before = places(cluster, "kept").count(nodes)
    cluster.kubectl("wait", "--for=jsonpath={.status.disruptionsAllowed}=1", "pdb/kept", "--timeout=10s").ok()
    with watching_the_ready(cluster, "kept") as ready:
        drained = cluster.kubectl("drain", nodes, "--ignore-daemonsets", "--timeout=50s").ok()
    listed = cluster.kubectl("get", "node", nodes, "--no-headers").ok().out.split()
    refused = drained.err.count("Cannot evict pod as it would violate the pod's disruption budget.")
    show(
        f"drain of the real node, {before} of 6 Pods on it, a budget of one",
        f"{drained.seconds:.1f} s, {refused} evictions refused and retried, never fewer than {min(ready)} ready",
        "drained; 5 ready at least",
    )
    assert before >= 2
    assert drained.out.splitlines()[-1] == f"node/{nodes} drained"
    assert nodes not in places(cluster, "kept")
    assert min(ready) >= 5
    assert listed[1] == "Ready,SchedulingDisabled"
    cluster.kubectl("uncordon", nodes).ok()
    closed = cluster.kubectl("patch", "pdb", "kept", "--type=merge", "-p", '{"spec":{"minAvailable":6}}').ok()
    assert closed.out == "poddisruptionbudget.policy/kept patched\n"
    refused_drain = cluster.kubectl("drain", "sim-1", "--timeout=1s")
    assert refused_drain.code == 1
    assert "Cannot evict pod as it would violate the pod's disruption budget." in refused_drain.err
    cluster.kubectl("uncordon", "sim-1").ok()
    cluster.kubectl("delete", "deploy/kept", "pdb/kept").ok()


def test_a_taint_drives_pods_away_and_keeps_them_away(cluster: Cluster, nodes: str, show: Show) -> None:
    staying = {"tolerations": [{"key": "maintenance", "operator": "Exists"}]}
    cluster.create(deployment("leaving", replicas=3), deployment("staying", replicas=3, pod=staying))
    for name in ("leaving", "staying"):
        rolled_out(cluster, f"deploy/{name}")
    stood = places(cluster, "staying").count(nodes)
    tainted = cluster.kubectl("taint", "node", nodes, "maintenance=soon:NoExecute").ok().out.strip()
    eventually(lambda: nodes not in places(cluster, "leaving"), 20, "no Pod without toleration on the tainted node")
    rolled_out(cluster, "deploy/leaving")
    events = cluster.kubectl("get", "events").ok().out
    cluster.kubectl("taint", "node", nodes, "maintenance-").ok()
    show(
        "taint with NoExecute",
        f"{tainted}; those without a toleration run on {sorted(set(places(cluster, 'leaving')))}",
        f"none of them on {nodes}, {stood} that tolerate it stay",
    )
    assert tainted == f"node/{nodes} tainted"
    assert places(cluster, "staying").count(nodes) == stood
    assert "TaintManagerEviction" in events
    cluster.kubectl("delete", "deploy", "leaving", "staying").ok()


@pytest.fixture
def walkthrough(cluster: Cluster) -> Iterator[Cluster]:
    """The book's database and API, the API as a Deployment, Services by relay."""
    files = [str(EXAMPLE / "svc" / f"go-demo-2-{name}.yml") for name in ("db-rs", "db-svc", "api-svc")]
    files.append(str(EXAMPLE / "deploy" / "go-demo-2-api.yml"))
    words = [word for file in files for word in ("-f", file)]
    cluster.podling("proxy-mode", "userspace").ok()
    cluster.kubectl("create", *words).ok()
    cluster.kubectl("rollout", "status", "deploy/go-demo-2-api", "--timeout=60s").ok()
    yield cluster
    cluster.kubectl("delete", *words).ok()
    cluster.podling("proxy-mode", "nftables").ok()


def test_a_rolling_update_of_the_walkthroughs_api_fails_no_request(walkthrough: Cluster, show: Show) -> None:
    """Asked from a Pod by the Service's name, from before the update until after it."""
    pods = walkthrough.pods("type=db")
    script, url = Path(load.__file__).read_text(), "http://go-demo-2-api:8080/demo/hello"
    command = [str(BIN / "kubectl"), "exec", pods[0]["metadata"]["name"], "--", "python3", "-c", script, url, "1000"]
    before = {each["metadata"]["name"] for each in walkthrough.pods("type=api")}
    over, outcomes = threading.Event(), list[load.Outcome]()

    def ask() -> None:
        while not over.is_set() or not outcomes:
            done = subprocess.run(command, capture_output=True, text=True, env=walkthrough.env, check=False)
            said = [load.parse(line) for line in done.stdout.splitlines()]
            outcomes.extend(each for each in said if isinstance(each, load.Outcome))
            assert done.returncode == 0, done.stderr

    asking = threading.Thread(target=ask)
    asking.start()
    began = time.monotonic()
    walkthrough.kubectl("set", "env", "deploy/go-demo-2-api", "SERVICE_NAME=renewed").ok()
    walkthrough.kubectl("rollout", "status", "deploy/go-demo-2-api", "--timeout=60s").ok()
    took = time.monotonic() - began
    over.set()
    asking.join()
    sent, failed = sum(each.sent for each in outcomes), sum(each.failed for each in outcomes)
    left = before & {each["metadata"]["name"] for each in walkthrough.pods("type=api")}
    show(
        f"requests while the walkthrough's API is updated ({took:.1f} s), userspace mode",
        f"{failed} of {sent} failed {[each.reasons for each in outcomes if each.failed]}",
        "0 failed of at least 1,000",
    )
    assert (failed, sent >= 1000) == (0, True)
    assert not [name for name in left if not deleting(walkthrough, name)]


def deleting(cluster: Cluster, name: str) -> bool:
    found = cluster.kubectl("get", "pod", name, "-o", "jsonpath={.metadata.deletionTimestamp}")
    return found.code != 0 or bool(found.out)
