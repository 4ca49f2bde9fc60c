"""Workloads as users drive them: kubectl's rollout, scale, set image, create job, on a real cluster."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.harness import Cluster, eventually

pytestmark = pytest.mark.real
Json = dict[str, Any]
WEB = """
import http.server, signal, threading, time
server = http.server.ThreadingHTTPServer(("", 8080), http.server.SimpleHTTPRequestHandler)
def end(*_):
    time.sleep(0.5)
    threading.Thread(target=server.shutdown).start()
signal.signal(signal.SIGTERM, end)
server.serve_forever()
"""


def template(name: str, *command: str, **container: Any) -> Json:
    one = {"name": "c", "image": "host:1", **({"command": list(command)} if command else {}), **container}
    return {"metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [one]}}


def workload(kind: str, name: str, *command: str, container: Json | None = None, **spec: Any) -> Json:
    whole = {"selector": {"matchLabels": {"app": name}}, "template": template(name, *command, **(container or {}))}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": whole | spec}


def job(name: str, script: str, **spec: Any) -> Json:
    made = template(name, "sh", "-c", script)
    made["spec"]["restartPolicy"] = "Never"
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": made, **spec}}


def rolled_out(cluster: Cluster, what: str) -> str:
    return cluster.kubectl("rollout", "status", what, "--timeout=40s").ok().out


def revisions(cluster: Cluster, what: str) -> list[int]:
    lines = cluster.kubectl("rollout", "history", what).ok().out.splitlines()
    return [int(line.split()[0]) for line in lines if re.match(r"\d", line)]


def finished(cluster: Cluster, name: str, condition: str) -> Json:
    cluster.kubectl("wait", f"--for=condition={condition}", "--timeout=20s", f"job/{name}").ok()
    status: Json = cluster.json("get", "job", name)["status"]
    return status


def test_a_deployment_is_rolled_out_undone_paused_and_scaled(cluster: Cluster) -> None:
    cluster.create(workload("Deployment", "roll", replicas=2))
    assert 'deployment "roll" successfully rolled out' in rolled_out(cluster, "deploy/roll")
    cluster.kubectl("set", "env", "deploy/roll", "X=1").ok()
    rolled_out(cluster, "deploy/roll")
    assert revisions(cluster, "deploy/roll") == [1, 2]
    cluster.kubectl("rollout", "undo", "deploy/roll").ok()
    rolled_out(cluster, "deploy/roll")
    assert revisions(cluster, "deploy/roll") == [2, 3]
    assert "env" not in cluster.json("get", "deploy", "roll")["spec"]["template"]["spec"]["containers"][0]
    cluster.kubectl("rollout", "pause", "deploy/roll").ok()
    cluster.kubectl("set", "env", "deploy/roll", "Y=1").ok()
    cluster.kubectl("scale", "deploy/roll", "--replicas=3").ok()
    eventually(lambda: cluster.json("get", "deploy", "roll")["status"].get("readyReplicas") == 3, 20, "three Pods")
    assert cluster.json("get", "deploy", "roll")["status"].get("updatedReplicas", 0) == 0
    cluster.kubectl("rollout", "resume", "deploy/roll").ok()
    rolled_out(cluster, "deploy/roll")
    told = cluster.kubectl("describe", "deploy", "roll").ok().out
    assert re.search(r"ScalingReplicaSet .* deployment-controller +Scaled up replica set roll-\w+ from 0 to 2", told)


def test_a_rollout_that_cannot_work_exceeds_its_deadline_and_leaves_what_works(cluster: Cluster) -> None:
    cluster.create(workload("Deployment", "stuck", replicas=2, progressDeadlineSeconds=2))
    rolled_out(cluster, "deploy/stuck")
    cluster.kubectl("set", "image", "deploy/stuck", "c=nosuch.invalid/x:1").ok()
    failed = cluster.kubectl("rollout", "status", "deploy/stuck", "--timeout=30s")
    assert (failed.code, "exceeded its progress deadline" in failed.err) == (1, True)
    assert cluster.json("get", "deploy", "stuck")["status"]["availableReplicas"] == 2
    cluster.kubectl("delete", "deploy", "stuck").ok()


@contextmanager
def asking(url: str, answers: list[str]) -> Iterator[None]:
    """Asks again and again until the block ends."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    answers.append(str(answer.status))
            except OSError as error:
                answers.append(repr(error))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_rolling_update_loses_no_request(cluster: Cluster) -> None:
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    container = {"readinessProbe": probe, "ports": [{"containerPort": 8080}]}
    made = workload("Deployment", "web", "python3", "-c", WEB, container=container, replicas=3)
    made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 5
    spec = {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    cluster.create(made, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    rolled_out(cluster, "deploy/web")
    port = cluster.json("get", "svc", "web")["spec"]["ports"][0]["nodePort"]
    addresses = {
        each["type"]: each["address"] for each in cluster.json("get", "nodes")["items"][0]["status"]["addresses"]
    }
    answers: list[str] = []
    with asking(f"http://{addresses['ExternalIP']}:{port}/", answers):
        cluster.kubectl("rollout", "restart", "deploy/web").ok()
        rolled_out(cluster, "deploy/web")
    assert len(answers) > 100
    assert set(answers) == {"200"}
    cluster.kubectl("delete", "deploy,svc", "web").ok()


def test_jobs_run_to_their_end(cluster: Cluster) -> None:
    cluster.create(
        job(
            "indexed",
            "echo $JOB_COMPLETION_INDEX on $(hostname)",
            completions=3,
            parallelism=2,
            completionMode="Indexed",
        ),
        job("failing", "exit 3", backoffLimit=0),
    )
    status = finished(cluster, "indexed", "Complete")
    assert (status["succeeded"], status["completedIndexes"]) == (3, "0-2")
    logs = cluster.kubectl("logs", "-l", "job-name=indexed").ok().out.splitlines()
    assert sorted(logs) == [f"{index} on indexed-{index}" for index in range(3)]
    assert finished(cluster, "failing", "Failed")["failed"] == 1
    assert not any(pod["metadata"].get("finalizers") for pod in cluster.pods("batch.kubernetes.io/job-name"))


def test_a_job_made_from_a_cronjob_runs_at_once(cluster: Cluster) -> None:
    spec = {"schedule": "0 0 1 1 *", "timeZone": "Europe/Berlin", "jobTemplate": {"spec": job("x", "echo hi")["spec"]}}
    cluster.create({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "yearly"}, "spec": spec})
    cluster.kubectl("create", "job", "--from=cronjob/yearly", "now").ok()
    assert finished(cluster, "now", "Complete")["succeeded"] == 1
    bad = json.dumps({"spec": {"timeZone": "Mars/Olympus"}})
    refused = cluster.kubectl("patch", "cronjob", "yearly", "-p", bad)
    assert 'spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus' in refused.err


def test_a_statefulset_has_names_in_dns_and_is_undone(cluster: Cluster) -> None:
    headless = {"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"port": 80}]}
    cluster.create(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}, "spec": headless},
        workload("StatefulSet", "db", replicas=2, serviceName="db"),
    )
    rolled_out(cluster, "sts/db")
    name = "db-1.db.default.svc.cluster.local"
    asked = ("exec", "db-0", "--", "getent", "hosts", name)
    eventually(lambda: cluster.kubectl(*asked).code == 0, 20, f"{name} in DNS")
    assert cluster.kubectl("exec", "db-0", "--", "hostname").ok().out == "db-0\n"
    cluster.kubectl("set", "env", "sts/db", "X=1").ok()
    rolled_out(cluster, "sts/db")
    cluster.kubectl("rollout", "undo", "sts/db").ok()
    rolled_out(cluster, "sts/db")
    assert revisions(cluster, "sts/db") == [2, 3]
    cluster.kubectl("delete", "sts,svc", "db").ok()


def test_a_daemonset_stands_on_every_node_even_a_cordoned_one(cluster: Cluster) -> None:
    cluster.create(workload("DaemonSet", "agent"))
    assert 'daemon set "agent" successfully rolled out' in rolled_out(cluster, "ds/agent")
    cluster.kubectl("cordon", cluster.name).ok()
    try:
        cluster.kubectl("rollout", "restart", "ds/agent").ok()
        rolled_out(cluster, "ds/agent")
    finally:
        cluster.kubectl("uncordon", cluster.name).ok()
    assert revisions(cluster, "ds/agent") == [1, 2]


def test_no_workload_kind_is_warned_about_any_more(cluster: Cluster) -> None:
    kinds = [workload(kind, f"quiet-{kind.lower()}") for kind in ("Deployment", "StatefulSet", "DaemonSet")]
    made = cluster.create(*kinds, job("quiet", "true"))
    assert "Warning" not in made.err
