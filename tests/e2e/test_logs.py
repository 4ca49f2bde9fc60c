"""kubectl logs, with the options people use."""

from __future__ import annotations

import re
import subprocess
import time

import pytest

from tests.e2e.harness import BIN, Cluster, eventually, pod

pytestmark = pytest.mark.real
KUBECTL = str(BIN / "kubectl")
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d) (.*)")


@pytest.fixture(scope="module")
def written(cluster: Cluster) -> str:
    """A Pod of two containers that have written a few lines, and an ended init container."""
    script = "for n in 1 2 3 4 5; do echo line $n; done; echo wrong >&2; sleep infinity"
    written = pod("written", "sh", "-c", script)
    written["metadata"]["labels"] = {"tier": "logged"}
    written["spec"]["containers"].append(
        {"name": "d", "image": "host:1", "command": ["sh", "-c", "echo I am d; sleep infinity"]}
    )
    written["spec"]["initContainers"] = [{"name": "i", "image": "host:1", "command": ["echo", "I came first"]}]
    other = pod("other", "sh", "-c", "echo I am other; sleep infinity")
    other["metadata"]["labels"] = {"tier": "logged"}
    cluster.create(written, other)
    cluster.wait_ready("written", "other")
    eventually(lambda: "I am d" in logs(cluster, "written", "-c", "d"), 10, "d has written")
    eventually(lambda: "wrong" in logs(cluster, "written", "-c", "c"), 10, "c has written")
    eventually(lambda: "I am" in logs(cluster, "other"), 10, "other has written")
    return "written"


def logs(cluster: Cluster, *words: str) -> str:
    return cluster.kubectl("logs", *words).ok().out


def test_logs_show_stdout_and_stderr_in_order(cluster: Cluster, written: str) -> None:
    assert logs(cluster, written, "-c", "c").splitlines() == [*(f"line {n}" for n in range(1, 6)), "wrong"]


def test_logs_choose_the_first_container_and_say_so(cluster: Cluster, written: str) -> None:
    done = cluster.kubectl("logs", written).ok()
    assert 'Defaulted container "c" out of: c, d, i (init)' in done.err
    assert done.out.startswith("line 1")


def test_logs_of_an_init_container(cluster: Cluster, written: str) -> None:
    assert logs(cluster, written, "-c", "i") == "I came first\n"


def test_logs_of_a_container_that_does_not_exist(cluster: Cluster, written: str) -> None:
    done = cluster.kubectl("logs", written, "-c", "x")
    assert done.code == 1
    assert f"container x is not valid for pod {written}" in done.err


@pytest.mark.parametrize(("tail", "expected"), [("2", ["line 5", "wrong"]), ("0", []), ("-1", None), ("100", None)])
def test_tail_takes_the_last_lines(cluster: Cluster, written: str, tail: str, expected: list[str] | None) -> None:
    found = logs(cluster, written, "-c", "c", f"--tail={tail}").splitlines()
    assert found == expected if expected is not None else len(found) == 6


def test_timestamps_begin_each_line(cluster: Cluster, written: str) -> None:
    lines = logs(cluster, written, "-c", "c", "--timestamps").splitlines()
    assert [match.group(2) for line in lines if (match := STAMP.fullmatch(line))] == [
        *(f"line {n}" for n in range(1, 6)),
        "wrong",
    ]


def test_since_leaves_out_what_is_older(cluster: Cluster) -> None:
    cluster.create(pod("slow", "sh", "-c", "echo early; sleep 2.5; echo late; sleep infinity"))
    eventually(lambda: "late" in cluster.kubectl("logs", "slow").out, 20, "late is written")
    assert logs(cluster, "slow", "--since=2s") == "late\n"
    stamp = STAMP.fullmatch(logs(cluster, "slow", "--timestamps", "--tail=1").strip())
    assert stamp
    assert logs(cluster, "slow", f"--since-time={stamp.group(0).split()[0]}") == "late\n"
    assert logs(cluster, "slow", "--since=1h") == "early\nlate\n"


def test_limit_bytes_cuts(cluster: Cluster, written: str) -> None:
    assert logs(cluster, written, "-c", "c", "--limit-bytes=9") == "line 1\nli"


def test_all_containers_and_prefix(cluster: Cluster, written: str) -> None:
    found = logs(cluster, written, "--all-containers", "--prefix").splitlines()
    assert "[pod/written/i] I came first" in found
    assert "[pod/written/c] line 3" in found
    assert "[pod/written/d] I am d" in found


def test_a_selector_finds_several_pods(cluster: Cluster, written: str) -> None:
    found = logs(cluster, "-l", "tier=logged", "--prefix", "--all-containers")
    assert "[pod/other/c] I am other" in found
    assert "[pod/written/d] I am d" in found


def test_following_ends_with_the_container(cluster: Cluster) -> None:
    cluster.create(pod("short", "sh", "-c", "for n in 1 2 3; do echo $n; sleep 0.3; done", restartPolicy="Never"))
    eventually(lambda: cluster.kubectl("logs", "short").code == 0, 10, "the container was started")
    assert cluster.kubectl("logs", "-f", "short", timeout=20).ok().out == "1\n2\n3\n"


def test_following_shows_lines_as_they_come(cluster: Cluster) -> None:
    script = "n=0; while true; do n=$((n+1)); echo tick $n; sleep 0.2; done"
    cluster.create(pod("clock", "sh", "-c", script))
    cluster.wait_ready("clock")
    with following(cluster, "clock", "--tail=1") as process:
        assert process.stdout
        lines = [(process.stdout.readline().strip(), time.monotonic()) for _ in range(4)]
    numbers = [int(line.split()[1]) for line, _ in lines]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    assert lines[3][1] - lines[1][1] < 2


def following(cluster: Cluster, *words: str) -> Following:
    return Following([KUBECTL, "logs", "-f", *words], cluster)


class Following:
    """`kubectl logs -f` as a process, ended when the block is left."""

    def __init__(self, words: list[str], cluster: Cluster) -> None:
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=cluster.env)

    def __enter__(self) -> subprocess.Popen[str]:
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def restarted(cluster: Cluster) -> str:
    """A Pod whose container has ended once, having said which life it was."""
    lives = {"name": "lives", "emptyDir": {}}
    mounts = {"volumeMounts": [{"name": "lives", "mountPath": "/lives"}]}
    cluster.create(pod("lives", "sh", "-c", LIVES, container=mounts, volumes=[lives]))
    return "lives"


LIVES = "echo x >> /lives/n; n=$(wc -l < /lives/n); echo life $n; [ $n -gt 1 ] || exit 1; sleep infinity"


def test_previous_shows_the_life_before(cluster: Cluster, restarted: str) -> None:
    def second() -> bool:
        statuses = cluster.json("get", "pod", restarted)["status"].get("containerStatuses", ())
        return any(status["restartCount"] == 1 and status["ready"] for status in statuses)

    eventually(second, 30, "the container is in its second life")
    assert logs(cluster, restarted) == "life 2\n"
    assert logs(cluster, restarted, "--previous") == "life 1\n"


def test_previous_without_a_life_before_says_so(cluster: Cluster, written: str) -> None:
    done = cluster.kubectl("logs", written, "-c", "c", "--previous")
    assert done.code == 1
    assert 'previous terminated container "c" in pod "written" not found' in done.err


def test_a_long_line_and_bytes_that_are_no_text_come_whole(cluster: Cluster) -> None:
    script = "import os,sys; os.write(1, b'x' * 100_000 + b'\\n'); os.write(1, bytes(range(128, 140)) + b' end')"
    cluster.create(pod("odd", "python3", "-c", script, restartPolicy="Never"))
    cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/odd", "--timeout=20s").ok()
    done = subprocess.run([KUBECTL, "logs", "odd"], capture_output=True, env=cluster.env, timeout=20, check=True)
    first, _, rest = done.stdout.partition(b"\n")
    assert len(first) == 100_000
    assert rest == bytes(range(128, 140)) + b" end"


def test_logs_of_a_pod_that_waits_for_its_image_say_so(cluster: Cluster) -> None:
    cluster.create(pod("waits", image="127.0.0.1:9/none:1"))
    eventually(lambda: cluster.json("get", "pod", "waits")["status"].get("containerStatuses"), 10, "a status")
    done = cluster.kubectl("logs", "waits")
    assert done.code == 1
    assert 'container "c" in pod "waits" is waiting to start' in done.err


def test_logs_of_a_workload(cluster: Cluster) -> None:
    template = pod("echo", "sh", "-c", "echo from a replica set; sleep infinity")
    replicas = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "echo"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "echo"}},
            "template": {"metadata": {"labels": {"app": "echo"}}, "spec": template["spec"]},
        },
    }
    cluster.create(replicas)
    cluster.kubectl("wait", "--for=jsonpath={.status.readyReplicas}=1", "rs/echo", "--timeout=20s").ok()
    eventually(lambda: "from a replica set" in cluster.kubectl("logs", "rs/echo").out, 10, "the line")
