"""What has to be seen of crashes: nothing that was acknowledged or runs is lost, whoever dies."""

from __future__ import annotations

import os
import pty
import random
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, Cluster, eventually, pod
from tests.seen.writing import write_until_refused
from tests.storage.crashes import lost_at_cut_points

pytestmark = [pytest.mark.real, pytest.mark.slow]
Show = Callable[[str, object, object], None]

# An echo server, and a client that holds one connection open and says what comes back.
ECHO = """
import socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", 7777), Handler).serve_forever()
"""
TALK = """
import socket, sys, time
connection = socket.create_connection((sys.argv[1], 7777))
stream = connection.makefile("rw")
for number in range(10000):
    stream.write(f"{number}\\n")
    stream.flush()
    print("heard", stream.readline().strip(), flush=True)
    time.sleep(0.1)
"""


class Terminal:
    """`kubectl exec -it` on a real pseudo-terminal."""

    def __init__(self, cluster: Cluster, *words: str) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execve(str(BIN / "kubectl"), ["kubectl", "exec", "-it", *words], dict(cluster.env))
        self.text = ""

    def type(self, line: str) -> None:
        os.write(self._fd, line.encode() + b"\n")

    def sees(self, wanted: str, seconds: float = 10) -> bool:
        deadline = time.monotonic() + seconds
        while wanted not in self.text and time.monotonic() < deadline:
            if select.select([self._fd], [], [], 0.1)[0]:
                self.text += os.read(self._fd, 4096).decode(errors="replace")
        return wanted in self.text

    def close(self) -> int:
        self.type("exit 7")
        _, status = os.waitpid(self._pid, 0)
        os.close(self._fd)
        return os.waitstatus_to_exitcode(status)


def container_status(cluster: Cluster, name: str) -> dict:
    statuses = cluster.json("get", "pod", name)["status"].get("containerStatuses") or [{}]
    return statuses[0]


def heard(cluster: Cluster, name: str) -> int:
    return int(cluster.kubectl("logs", "--tail=1", name).ok().out.split()[-1])


def test_killing_the_node_process_leaves_pods_as_they_are(cluster: Cluster, show: Show) -> None:
    cluster.create(pod("echo", "python3", "-c", ECHO), pod("shell", "sleep", "infinity"))
    crashing = pod("crashing", "sh", "-c", "echo once; exit 3")
    cluster.create(crashing, pod("done", "sh", "-c", "exit 5", restartPolicy="Never"))
    cluster.wait_ready("echo", "shell")
    address = cluster.json("get", "pod", "echo")["status"]["podIP"]
    cluster.create(pod("talker", "python3", "-c", TALK, address))
    cluster.wait_ready("talker")
    eventually(lambda: container_status(cluster, "crashing").get("restartCount", 0) >= 1, 30, "it crashed")
    eventually(
        lambda: "waiting" in container_status(cluster, "crashing").get("state", {}), 10, "it waits in CrashLoopBackOff"
    )
    before = cluster.json("get", "pod", "crashing")["status"]
    terminal = Terminal(cluster, "shell", "--", "sh")
    terminal.type("echo is-$((40+2))")
    assert terminal.sees("is-42")

    killed = cluster.status()["node"]["pid"]
    os.kill(killed, signal.SIGKILL)
    terminal.type("echo still-$((40+2))")
    tty = terminal.sees("still-42")
    eventually(lambda: cluster.status()["node"]["pid"] not in (0, killed), 10, "it comes back by itself")
    eventually(lambda: cluster.kubectl("logs", "--tail=1", "talker").code == 0, 10, "the node answers again")
    said = heard(cluster, "talker")
    later = eventually(lambda: heard(cluster, "talker") > said + 5 and heard(cluster, "talker"), 20, "the talk goes on")
    after = cluster.json("get", "pod", "crashing")["status"]
    code = terminal.close()
    restarts = {name: container_status(cluster, name)["restartCount"] for name in ("echo", "shell", "talker")}
    ended = container_status(cluster, "done")["state"]["terminated"]["exitCode"]
    previous = cluster.kubectl("logs", "--previous", "crashing").ok().out
    show(
        "SIGKILL of the node process: exit codes, restart counts, logs, an exec tty, TCP connections",
        f"exit {ended}, restarts {restarts}, tty alive {tty} (ended with {code}), {later} echoes on one connection",
        "all intact, same address in CrashLoopBackOff",
    )
    for name in ("echo", "shell", "talker", "crashing", "done"):
        cluster.kubectl("delete", "pod", name, "--grace-period=0", "--force").ok()
    assert tty
    assert code == 7
    assert set(restarts.values()) == {0}
    assert ended == 5
    assert previous == "once\n"
    assert after["podIP"] == before["podIP"]
    assert after["containerStatuses"][0]["restartCount"] >= before["containerStatuses"][0]["restartCount"]


class Writer(threading.Thread):
    """Creates ConfigMaps one after the other over one kubectl-like connection; remembers what was acknowledged."""

    def __init__(self, cluster: Cluster, round_: int) -> None:
        super().__init__(daemon=True)
        self._cluster, self._round = cluster, round_
        self.acknowledged: list[str] = []

    def run(self) -> None:
        self.acknowledged = write_until_refused(Path(self._cluster.env["KUBECONFIG"]), self._round)


def test_killing_the_server_loses_no_acknowledged_write(tmp_path: Path, show: Show) -> None:
    """Fifty times: writers write, the server dies at a random moment, starts again, and everything is there."""
    random.seed(7)
    lost, half, total = 0, 0, 0
    with Cluster(tmp_path / "state", "crash", runtime="fake") as cluster:
        for round_ in range(50):
            writer = Writer(cluster, round_)
            writer.start()
            time.sleep(random.uniform(0.02, 0.2))
            os.kill(cluster.status()["server"]["pid"], signal.SIGKILL)
            writer.join(30)
            cluster.start()
            listed = cluster.json("get", "configmaps", "-l", f"round=r{round_}")["items"]
            found = {each["metadata"]["name"]: each["data"] for each in listed}
            total += len(writer.acknowledged)
            lost += len(set(writer.acknowledged) - set(found))
            half += sum(data != {"a": name, "b": name * 20} for name, data in found.items())
    show("SIGKILL of the server at 50 random moments", f"{total} acknowledged, {lost} lost, {half} half", "0 and 0")
    assert total > 50
    assert (lost, half) == (0, 0)


def test_full_synchronous_loses_nothing_where_off_does(show: Show) -> None:
    full, off = lost_at_cut_points("FULL", 200), lost_at_cut_points("OFF", 200)
    show(
        "a disk that forgets what was not synced, 200 cut points",
        f"FULL lost {len(full)}, OFF lost {len(off)}",
        "0, > 0",
    )
    assert not full
    assert off


def test_one_seed_twice_is_the_same_action_log(show: Show) -> None:
    logs = []
    for number in ("1", "4242"):
        env = os.environ | {"PYTHONHASHSEED": number}
        command = [str(BIN / "python"), "-m", "podling.testing.scenarios", "7"]
        logs.append(subprocess.run(command, env=env, capture_output=True, check=True, timeout=120).stdout)
    lines = logs[0].splitlines()
    show(
        "one seed under two PYTHONHASHSEEDs gives one action log",
        f"{len(lines)} actions, equal: {logs[0] == logs[1]}",
        "byte for byte",
    )
    assert len(lines) > 20
    assert logs[0] == logs[1]
