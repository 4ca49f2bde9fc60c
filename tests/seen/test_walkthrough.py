"""What has to be seen of the walkthrough, one test a line: `make seen ISSUE=walkthrough`.

Each test prints its line, the figure it found and the bound.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from podling.cluster import load
from tests.e2e.harness import BIN, EXAMPLE, Cluster, eventually, pod
from tests.seen.probed import probed_pod
from tests.seen.watching import Watch

pytestmark = [pytest.mark.real, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
MANIFESTS = ("db-rs", "db-svc", "api-rs", "api-svc")
Show = Callable[[str, object, object], None]


def manifest(name: str) -> str:
    return str(EXAMPLE / "svc" / f"go-demo-2-{name}.yml")


def masked(text: str) -> str:
    """Ages, addresses, hashes and the padding around them are masked."""
    text = re.sub(r"(?<=-)[bcdfghjklmnpqrstvwxz2456789]{5}\b", "HASH", text)
    text = re.sub(r"\b10\.\d+\.\d+\.\d+\b", "ADDRESS", text)
    text = re.sub(r":3[0-2]\d{3}/", ":NODEPORT/", text)
    text = re.sub(r"\b\d+m?\d*s\b|\b\d+m\b", "AGE", text)
    return "\n".join(re.sub(r" +", " ", line).strip() for line in text.splitlines()) + "\n"


def api_ready(cluster: Cluster) -> None:
    cluster.kubectl("rollout", "status", "--help").ok()
    eventually(
        lambda: all(
            each["status"].get("readyReplicas", 0) == each["spec"]["replicas"]
            for each in cluster.json("get", "rs")["items"]
        ),
        60,
        "all replicas ready",
    )


def gone(cluster: Cluster) -> None:
    eventually(lambda: not cluster.pods("service=go-demo-2"), 60, "no Pod left")


# 1


@pytest.mark.skipif(
    not os.environ.get("PODLING_SEEN_CLONE"),
    reason="runs `make test` of a clean clone, which would run itself for ever; `make seen` sets PODLING_SEEN_CLONE",
)
def test_a_clean_clone_demonstrates_and_passes(tmp_path: Path, show: Show) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    env = {key: value for key, value in os.environ.items() if key != "PODLING_SEEN_CLONE"}
    demo = subprocess.run(
        ["make", "demo"], cwd=clone, env=env, capture_output=True, text=True, timeout=900, check=False
    )
    assert demo.returncode == 0, demo.stdout[-4000:] + demo.stderr[-2000:]
    greetings = re.findall(r"HTTP/1\.1 200 OK.*?hello, world!", demo.stdout, re.DOTALL)
    test = subprocess.run(
        ["make", "test"], cwd=clone, env=env, capture_output=True, text=True, timeout=2400, check=False
    )
    show(
        "make demo ends well in both proxy modes, make test is green",
        f"{len(greetings)} greetings, make test ended with {test.returncode}: {test.stdout.splitlines()[-1]}",
        "at least one greeting per mode, 0",
    )
    assert len(greetings) >= 2
    assert test.returncode == 0, test.stdout[-4000:]


# 2


def test_the_books_commands_answer_as_the_book_says(cluster: Cluster, show: Show) -> None:
    said = "".join(cluster.kubectl("create", "-f", manifest(name)).ok().out for name in MANIFESTS)
    api_ready(cluster)
    listed = masked(cluster.kubectl("get", "all").ok().out)
    said += "".join(cluster.kubectl("delete", "-f", manifest(name)).ok().out for name in MANIFESTS)
    gone(cluster)
    one = str(EXAMPLE / "svc" / "go-demo-2.yml")
    together = cluster.kubectl("create", "-f", one).ok().out
    api_ready(cluster)
    together += cluster.kubectl("delete", "-f", one).ok().out
    gone(cluster)
    show("kubectl get all equals the golden file", f"{len(listed.splitlines())} lines", "equal, each object once")
    assert listed == (GOLDEN / "get-all.txt").read_text()
    assert said == (GOLDEN / "create-delete.txt").read_text()
    assert together.splitlines() == [
        line for line in (GOLDEN / "create-delete.txt").read_text().splitlines() if "created" in line
    ] + [line for line in (GOLDEN / "create-delete.txt").read_text().splitlines() if "deleted" in line]


# 3


@pytest.fixture
def probed(cluster: Cluster):
    """Two Pods behind a Service, probed each second, and what the EndpointSlice says of their readiness."""
    cluster.create(
        probed_pod("probed-a", readinessProbe={"failureThreshold": 3}),
        probed_pod("probed-b", readinessProbe={}),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "probed"},
            "spec": {"selector": {"app": "probed"}, "ports": [{"port": 8080}]},
        },
    )
    cluster.wait_ready("-l", "app=probed")
    template = "{{range .endpoints}}{{if .conditions.ready}}{{.targetRef.name}} {{end}}{{end}}"
    with Watch(cluster, "endpointslices", "-l", "kubernetes.io/service-name=probed", template=template) as seen:
        seen.after(0, lambda text: "probed-a" in text and "probed-b" in text, 10, "both are endpoints")
        yield seen
    cluster.kubectl("delete", "pod,service", "-l", "app=probed", "--grace-period=0", "--force").ok()
    cluster.kubectl("delete", "service", "probed").ok()


def probes(cluster: Cluster, name: str, code: int) -> list[float]:
    """When the Pod answered a readiness probe with that code."""
    lines = cluster.kubectl("logs", name).ok().out.splitlines()
    return [float(line.split()[1]) for line in lines if line.startswith("probe") and line.endswith(str(code))]


@pytest.mark.timed
@pytest.mark.parametrize(("name", "threshold"), [("probed-a", 3), ("probed-b", 1)])
def test_a_failing_pod_leaves_after_its_threshold_and_comes_back_after_one_good_probe(
    cluster: Cluster, probed: Watch, show: Show, name: str, threshold: int
) -> None:
    began = time.time()
    cluster.kubectl("exec", name, "--", "touch", "/tmp/broken").ok()
    left = probed.after(began, lambda text: name not in text, 15, f"{name} leaves")
    late = left - probes(cluster, name, 500)[threshold - 1]
    again = time.time()
    cluster.kubectl("exec", name, "--", "rm", "/tmp/broken").ok()
    back = probed.after(again, lambda text: name in text, 15, f"{name} comes back")
    good = next(moment for moment in probes(cluster, name, 200) if moment > again)
    show(
        f"a Pod leaves the endpoints after {threshold} failed probes, is back after one good one",
        f"{1000 * late:.0f} ms after the deciding probe; back {1000 * (back - good):.0f} ms after the good one",
        "100 ms",
    )
    assert late <= 0.1
    assert back - good <= 0.1


@pytest.mark.timed
def test_a_pod_whose_process_ends_leaves_at_once(cluster: Cluster, probed: Watch, show: Show) -> None:
    (container,) = cluster.containers("probed-a")
    killed = time.time()
    os.kill(container["pid"], signal.SIGKILL)
    left = probed.after(killed, lambda text: "probed-a" not in text, 5, "probed-a leaves")
    show("a Pod whose process ends leaves at once", f"{1000 * (left - killed):.0f} ms", "100 ms")
    assert left - killed <= 0.1


def test_a_frozen_container_is_replaced_by_its_liveness_probe(cluster: Cluster, show: Show) -> None:
    # Its first probe must not come before the program listens: a threshold of 1 forgives nothing.
    cluster.create(probed_pod("frozen", livenessProbe={"initialDelaySeconds": 3}, readinessProbe={}))
    cluster.wait_ready("frozen")
    eventually(lambda: len(probes(cluster, "frozen", 200)) > 5, 20, "its liveness is probed")
    (container,) = cluster.containers("frozen")
    began = time.time()
    os.kill(container["pid"], signal.SIGSTOP)

    def replaced() -> bool:
        (status,) = cluster.json("get", "pod", "frozen")["status"]["containerStatuses"]
        return bool(status["restartCount"] == 1 and status["ready"])

    eventually(replaced, 30, "the frozen container is replaced")
    show(
        "a frozen container is replaced by its liveness probe", f"{time.time() - began:.1f} s", "period 1 s, grace 1 s"
    )
    cluster.kubectl("delete", "pod", "frozen", "--grace-period=0", "--force").ok()


# 4


@pytest.fixture
def loaded(cluster: Cluster):
    """The walkthrough, running."""
    for name in MANIFESTS:
        cluster.kubectl("create", "-f", manifest(name)).ok()
    api_ready(cluster)
    yield cluster
    for name in MANIFESTS:
        cluster.kubectl("delete", "-f", manifest(name)).ok()
    gone(cluster)
    cluster.podling("proxy-mode", "nftables").ok()


@pytest.mark.parametrize("mode", ["userspace", "nftables"])
def test_requests_while_pods_are_deleted(loaded: Cluster, show: Show, mode: str) -> None:
    """From a Pod to the Service's name, the way that the proxy mode gives."""
    loaded.podling("proxy-mode", mode).ok()

    def living(selector: str) -> list[str]:
        found = loaded.pods(selector)
        return [each["metadata"]["name"] for each in found if not each["metadata"].get("deletionTimestamp")]

    script, url = Path(load.__file__).read_text(), "http://go-demo-2-api:8080/demo/hello"
    command = [str(BIN / "kubectl"), "exec", living("type=db")[0], "--", "python3", "-c", script, url, "1000"]
    outcome, deleted = load.Outcome(0, 0, ()), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=loaded.env) as sending:
        for line in sending.stdout or ():
            said = load.parse(line)
            if isinstance(said, load.Outcome):
                outcome = said
            elif said in (100, 400, 700):
                loaded.kubectl("delete", "pod", living("type=api")[0], "--wait=false").ok()
                deleted += 1
    show(
        f"1,000 requests while {deleted} Pods are deleted, {mode}",
        outcome,
        "0 failed" if mode == "userspace" else "printed",
    )
    assert (outcome.sent, deleted) == (1000, 3)
    if mode == "userspace":
        assert outcome.failed == 0


# 5 lives in test_walkthrough_crashes.py, 7 in test_walkthrough_times.py


# 8: what is left on the host lives in test_walkthrough_host.py


def test_two_clusters_with_the_same_node_port_run_side_by_side(cluster: Cluster, state: Path, show: Show) -> None:
    with Cluster(state, "second") as second:
        answers = []
        for each in (cluster, second):
            each.create(
                probed_pod("side", readinessProbe={}),
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"name": "side"},
                    "spec": {
                        "type": "NodePort",
                        "selector": {"app": "probed"},
                        "ports": [{"port": 8080, "nodePort": 30777}],
                    },
                },
            )
        for each in (cluster, second):
            each.wait_ready("side")
            address = each.podling("ip").ok().out.strip()
            eventually(lambda address=address: load.request(f"http://{address}:30777/") == "", 5, f"{address} answers")
            answers.append(address)
        cluster.kubectl("delete", "pod/side", "service/side", "--grace-period=0", "--force").ok()
        assert load.request(f"http://{answers[0]}:30777/") != ""
        assert load.request(f"http://{answers[1]}:30777/") == ""
    show("two clusters with the same NodePort", " and ".join(answers), "both answer, each its own")
    assert len(set(answers)) == 2


# 9


def bad(cluster: Cluster, document: str) -> tuple[int, str]:
    result = cluster.kubectl("create", "-f", "-", stdin=document)
    return result.code, (result.out + result.err).strip()


def test_bad_input_gets_the_real_message_and_changes_nothing(cluster: Cluster, show: Show) -> None:
    before = cluster.kubectl("get", "all,configmaps", "-A", "-o", "name").ok().out
    cases = json.loads((GOLDEN / "bad-input.json").read_text())
    wrong = []
    for case in cases:
        code, said = bad(cluster, case["input"])
        if code != 1 or said != case["says"]:
            wrong.append(f"{case['name']}: {code} {said}")
    after = cluster.kubectl("get", "all,configmaps", "-A", "-o", "name").ok().out
    show("bad input", f"{len(cases) - len(wrong)} of {len(cases)} answered as upstream does", "all, nothing changed")
    assert not wrong, "\n".join(wrong)
    assert after == before


@pytest.mark.parametrize(
    ("name", "change", "reasons", "message"),
    [
        (
            "unpullable",
            {"image": "127.0.0.1:1/nothing:1"},
            {"ErrImagePull", "ImagePullBackOff"},
            "connection refused",
        ),
        (
            "no-command",
            {"command": ["no-such-program"]},
            {"RunContainerError", "StartError", "CrashLoopBackOff"},
            'exec: "no-such-program": executable file not found in $PATH',
        ),
    ],
)
def test_a_pod_that_cannot_start_says_why(
    cluster: Cluster, show: Show, name: str, change: dict, reasons: set[str], message: str
) -> None:
    cluster.create(pod(name, container=change))
    seen: set[str] = set()

    def told() -> bool:
        status = cluster.json("get", "pod", name)["status"].get("containerStatuses", [{}])[0]
        text = json.dumps(status)
        for state in (status.get("state", {}), status.get("lastState", {})):
            seen.update(detail["reason"] for detail in state.values() if detail.get("reason") in reasons)
        events = (
            cluster.kubectl("get", "events", "--field-selector", f"involvedObject.name={name}", "-o", "json").ok().out
        )
        return message in text.replace('\\"', '"') + events.replace('\\"', '"') and len(seen) >= 2

    eventually(told, 40, f"the Pod says {message}")
    show(f"{name}: the Pod says why", f"{sorted(seen)}: …{message}", f"{sorted(reasons)}")
    cluster.kubectl("delete", "pod", name, "--grace-period=0", "--force").ok()


def test_a_taken_node_port_is_refused(cluster: Cluster, show: Show) -> None:
    def service(name: str) -> str:
        spec = {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30555}]}
        return json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})

    assert bad(cluster, service("first"))[0] == 0
    code, said = bad(cluster, service("second"))
    cluster.kubectl("delete", "service", "first").ok()
    show("a taken nodePort", said, "exit code 1, Invalid")
    assert code == 1
    assert said == (
        'The Service "second" is invalid: spec.ports[0].nodePort: Invalid value: 30555: '
        "provided port is already allocated"
    )
    assert cluster.kubectl("get", "service", "second").code == 1


def test_the_greeting_has_the_books_headers(loaded: Cluster, show: Show) -> None:
    port = loaded.json("get", "service", "go-demo-2-api")["spec"]["ports"][0]["nodePort"]
    connection = http.client.HTTPConnection(loaded.podling("ip").ok().out.strip(), port, timeout=5)
    connection.request("GET", "/demo/hello")
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    show("the greeting through the NodePort", f"{answer.status} {body!r}", "200, 14 bytes of text/plain")
    assert (answer.status, answer.getheader("Content-Length")) == (200, "14")
    assert answer.getheader("Content-Type") == "text/plain; charset=utf-8"
    assert body == b"hello, world!\n"
