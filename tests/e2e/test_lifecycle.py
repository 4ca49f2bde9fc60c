"""How Pods begin, are watched over, restarted and ended."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from tests.e2e.harness import Cluster, eventually, pod

pytestmark = pytest.mark.real


def statuses(cluster: Cluster, name: str, which: str = "containerStatuses") -> dict[str, Any]:
    return {each["name"]: each for each in cluster.json("get", "pod", name)["status"].get(which, ())}


def phase(cluster: Cluster, name: str, wanted: str, seconds: int = 20) -> None:
    cluster.kubectl("wait", f"--for=jsonpath={{.status.phase}}={wanted}", f"pod/{name}", f"--timeout={seconds}s").ok()


def container(name: str, script: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "host:1", "command": ["sh", "-c", script], **more}


SHARED = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
VOLUMES = [{"name": "shared", "emptyDir": {}}]


# beginning


def test_init_containers_run_one_after_the_other_before_the_rest(cluster: Cluster) -> None:
    init = [container(name, f"sleep 0.2; echo {name} >> /shared/order", **SHARED) for name in ("one", "two")]
    made = pod("ordered", restartPolicy="Never", initContainers=init, volumes=VOLUMES)
    made["spec"]["containers"] = [container("c", "echo c >> /shared/order; cat /shared/order", **SHARED)]
    cluster.create(made)
    phase(cluster, "ordered", "Succeeded")
    assert cluster.kubectl("logs", "ordered", "-c", "c").ok().out == "one\ntwo\nc\n"
    ended = statuses(cluster, "ordered", "initContainerStatuses")
    assert {name: each["state"]["terminated"]["reason"] for name, each in ended.items()} == {
        "one": "Completed",
        "two": "Completed",
    }


def test_a_failing_init_container_keeps_the_pod_from_starting(cluster: Cluster) -> None:
    failing = pod("init-fails", "true", restartPolicy="Never", initContainers=[container("i", "exit 3")])
    cluster.create(failing)
    phase(cluster, "init-fails", "Failed")
    assert "Init:Error" in cluster.kubectl("get", "pod", "init-fails").out
    assert statuses(cluster, "init-fails", "initContainerStatuses")["i"]["state"]["terminated"]["exitCode"] == 3
    again = pod("init-loops", "true", initContainers=[container("i", "exit 3")])
    cluster.create(again)
    eventually(lambda: "Init:CrashLoopBackOff" in cluster.kubectl("get", "pod", "init-loops").out, 20, "the back-off")


def test_a_sidecar_starts_before_and_ends_after_the_rest(cluster: Cluster) -> None:
    script = 'trap "echo sidecar ends; exit 0" TERM; touch /shared/ready; while true; do sleep 0.05; done'
    started = {"startupProbe": {"exec": {"command": ["ls", "/shared/ready"]}, "periodSeconds": 1}}
    sidecar = container("side", script, restartPolicy="Always", **started, **SHARED)
    main = container("c", "ls /shared; echo main ends", **SHARED)
    made = pod("with-sidecar", restartPolicy="Never", initContainers=[sidecar], volumes=VOLUMES)
    made["spec"]["containers"] = [main]
    cluster.create(made)
    phase(cluster, "with-sidecar", "Succeeded")
    assert cluster.kubectl("logs", "with-sidecar", "-c", "c").ok().out == "ready\nmain ends\n"
    assert "sidecar ends" in cluster.kubectl("logs", "with-sidecar", "-c", "side").ok().out


def test_a_command_that_does_not_exist_is_told(cluster: Cluster) -> None:
    cluster.create(pod("no-command", "/no/such/command"))
    eventually(lambda: "CrashLoopBackOff" in cluster.kubectl("get", "pod", "no-command").out, 20, "CrashLoopBackOff")
    last = statuses(cluster, "no-command")["c"]["lastState"]["terminated"]
    assert last["exitCode"] in (127, 128)
    assert "/no/such/command" in last["message"]


# restarting


@pytest.mark.parametrize(
    ("policy", "code", "wanted"),
    [("Never", 0, "Succeeded"), ("Never", 7, "Failed"), ("OnFailure", 0, "Succeeded")],
)
def test_a_pod_that_is_not_restarted_ends_with_its_container(
    cluster: Cluster, policy: str, code: int, wanted: str
) -> None:
    name = f"ends-{policy.lower()}-{code}"
    cluster.create(pod(name, "sh", "-c", f"exit {code}", restartPolicy=policy))
    phase(cluster, name, wanted)
    ended = statuses(cluster, name)["c"]
    assert ended["state"]["terminated"]["exitCode"] == code
    assert ended["restartCount"] == 0


def test_on_failure_restarts_until_it_works(cluster: Cluster) -> None:
    script = "echo x >> /shared/n; [ $(wc -l < /shared/n) -gt 1 ]"
    made = pod("tries", restartPolicy="OnFailure", volumes=VOLUMES)
    made["spec"]["containers"] = [container("c", script, **SHARED)]
    cluster.create(made)
    phase(cluster, "tries", "Succeeded")
    assert statuses(cluster, "tries")["c"]["restartCount"] == 1


def test_a_crashing_container_backs_off_and_says_how_long(cluster: Cluster) -> None:
    cluster.create(pod("crashes", "sh", "-c", "echo last words > /dev/termination-log; exit 5"))
    eventually(lambda: "CrashLoopBackOff" in cluster.kubectl("get", "pod", "crashes").out, 20, "CrashLoopBackOff")
    status = statuses(cluster, "crashes")["c"]
    waiting = status["state"]["waiting"]
    assert waiting["reason"] == "CrashLoopBackOff"
    assert waiting["message"].startswith("back-off 10s restarting failed container=c pod=crashes_default(")
    last = status["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"], last["message"]) == (5, "Error", "last words\n")
    described = cluster.kubectl("describe", "pod", "crashes").ok().out
    assert "BackOff" in described
    assert "Back-off restarting failed container c in pod crashes_default(" in described


def test_the_end_of_the_log_is_the_message_where_that_is_asked_for(cluster: Cluster) -> None:
    falling_back = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    script = "echo one; echo two >&2; exit 1"
    cluster.create(pod("tells", "sh", "-c", script, restartPolicy="Never", container=falling_back))
    phase(cluster, "tells", "Failed")
    assert statuses(cluster, "tells")["c"]["state"]["terminated"]["message"] == "one\ntwo\n"


def test_a_killed_process_is_counted_and_restarted(cluster: Cluster) -> None:
    cluster.create(pod("victim", "sleep", "infinity"))
    cluster.wait_ready("victim")
    (running,) = cluster.containers("victim")
    os.kill(running["pid"], signal.SIGKILL)
    eventually(lambda: statuses(cluster, "victim")["c"]["restartCount"] == 1, 10, "the restart is counted")
    last = statuses(cluster, "victim")["c"]["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (137, "Error")
    cluster.wait_ready("victim")


# probes

EACH_SECOND = {"periodSeconds": 1, "failureThreshold": 1}


def ready(cluster: Cluster, name: str) -> bool:
    return bool(statuses(cluster, name)["c"]["ready"])


@pytest.mark.parametrize(
    "probe",
    [
        {"httpGet": {"path": "/www", "port": "web"}},
        {"tcpSocket": {"port": 8080}},
        {"exec": {"command": ["test", "-e", "/tmp/www"]}},
    ],
    ids=["httpGet", "tcpSocket", "exec"],
)
def test_readiness_follows_its_probe(cluster: Cluster, probe: dict[str, Any]) -> None:
    name = f"ready-{next(iter(probe)).lower()}"
    script = "cd /tmp; until [ -e /tmp/go ]; do sleep 0.05; done; touch /tmp/www; exec python3 -m http.server 8080"
    spec = {"ports": [{"name": "web", "containerPort": 8080}], "readinessProbe": probe | EACH_SECOND}
    cluster.create(pod(name, "sh", "-c", script, container=spec))
    eventually(lambda: "Unhealthy" in events(cluster, name), 10, "the probe failed")
    assert not ready(cluster, name)
    cluster.kubectl("exec", name, "--", "touch", "/tmp/go").ok()
    cluster.wait_ready(name)
    if "tcpSocket" not in probe:
        cluster.kubectl("exec", name, "--", "rm", "/tmp/www").ok()
        eventually(lambda: not ready(cluster, name), 10, "it is unready again")
        assert statuses(cluster, name)["c"]["restartCount"] == 0


def events(cluster: Cluster, name: str) -> str:
    return cluster.kubectl("get", "events", f"--field-selector=involvedObject.name={name}").ok().out


def test_liveness_waits_for_the_startup_probe_and_then_kills(cluster: Cluster) -> None:
    script = "sleep 1.5; touch /tmp/up; sleep infinity"
    probes = {
        "startupProbe": {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 10},
        "livenessProbe": {"exec": {"command": ["test", "-e", "/tmp/up"]}, **EACH_SECOND},
    }
    cluster.create(pod("starts-slowly", "sh", "-c", script, container=probes))
    cluster.wait_ready("starts-slowly")
    assert statuses(cluster, "starts-slowly")["c"]["restartCount"] == 0
    cluster.kubectl("exec", "starts-slowly", "--", "rm", "/tmp/up").ok()
    eventually(lambda: statuses(cluster, "starts-slowly")["c"]["restartCount"] == 1, 15, "it was restarted")
    assert "Container c failed liveness probe, will be restarted" in events(cluster, "starts-slowly")


# ending


def test_a_process_that_handles_sigterm_has_its_time(cluster: Cluster) -> None:
    script = 'trap "sleep 1.5; echo tidy > /shared/end; exit 0" TERM; while true; do sleep 0.05; done'
    folder = [{"name": "shared", "hostPath": {"path": str(_kept(cluster)), "type": "DirectoryOrCreate"}}]
    made = pod("tidies", terminationGracePeriodSeconds=20, volumes=folder)
    made["spec"]["containers"] = [container("c", script, **SHARED)]
    cluster.create(made)
    cluster.wait_ready("tidies")
    began = time.monotonic()
    cluster.kubectl("delete", "pod", "tidies").ok()
    assert 1.4 < time.monotonic() - began < 6
    assert (_kept(cluster) / "end").read_text() == "tidy\n"


def _kept(cluster: Cluster) -> Any:
    """A folder of the host beside the cluster's state."""
    return cluster.root.parent / "kept"


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(cluster: Cluster) -> None:
    cluster.create(pod("ignores", "sh", "-c", 'trap "" TERM; while true; do sleep 0.05; done'))
    cluster.wait_ready("ignores")
    began = time.monotonic()
    cluster.kubectl("delete", "pod", "ignores").ok()
    assert 0.9 < time.monotonic() - began < 5


def test_pre_stop_runs_before_sigterm(cluster: Cluster) -> None:
    kept = _kept(cluster)
    script = 'trap "echo term >> /shared/stops; exit 0" TERM; while true; do sleep 0.05; done'
    hook = {"lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "sleep 0.5; echo hook >> /shared/stops"]}}}}
    folder = [{"name": "shared", "hostPath": {"path": str(kept), "type": "DirectoryOrCreate"}}]
    made = pod("hooked", terminationGracePeriodSeconds=20, volumes=folder)
    made["spec"]["containers"] = [container("c", script, **SHARED, **hook)]
    cluster.create(made)
    cluster.wait_ready("hooked")
    cluster.kubectl("delete", "pod", "hooked").ok()
    assert (kept / "stops").read_text() == "hook\nterm\n"


def test_a_failing_post_start_hook_ends_the_container(cluster: Cluster) -> None:
    hook = {"lifecycle": {"postStart": {"exec": {"command": ["sh", "-c", "exit 4"]}}}}
    cluster.create(pod("bad-start", "sleep", "infinity", container=hook))
    eventually(lambda: "FailedPostStartHook" in events(cluster, "bad-start"), 15, "the event")
    eventually(lambda: statuses(cluster, "bad-start")["c"]["restartCount"] > 0, 15, "the restart")


def test_a_deadline_ends_the_pod(cluster: Cluster) -> None:
    cluster.create(pod("limited", "sleep", "infinity", activeDeadlineSeconds=1))
    phase(cluster, "limited", "Failed")
    status = cluster.json("get", "pod", "limited")["status"]
    assert status["reason"] == "DeadlineExceeded"


def test_a_pod_that_fits_nowhere_says_why(cluster: Cluster) -> None:
    cluster.create(
        pod("elsewhere", "true", nodeSelector={"disk": "ssd"}),
        pod("huge", "true", container={"resources": {"requests": {"memory": "100Ti"}}}),
    )
    eventually(lambda: "FailedScheduling" in events(cluster, "elsewhere"), 10, "the event")
    assert "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector." in events(
        cluster, "elsewhere"
    )
    eventually(lambda: "Insufficient memory" in events(cluster, "huge"), 10, "the event")
    node = cluster.json("get", "nodes")["items"][0]["metadata"]["name"]
    cluster.kubectl("label", "node", node, "disk=ssd").ok()
    phase(cluster, "elsewhere", "Running", 10)


def test_a_pod_deleted_by_force_is_gone_at_once_and_its_process_soon(cluster: Cluster) -> None:
    cluster.create(pod("forced", "sleep", "infinity", terminationGracePeriodSeconds=60))
    cluster.wait_ready("forced")
    cluster.kubectl("delete", "pod", "forced", "--force", "--grace-period=0").ok()
    assert "NotFound" in cluster.kubectl("get", "pod", "forced").err
    eventually(lambda: not cluster.containers("forced"), 10, "its process is gone")
