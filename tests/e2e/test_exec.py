"""kubectl exec, attach and cp against running containers."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, Cluster, eventually, pod
from tests.e2e.terminal import Terminal

pytestmark = pytest.mark.real
KUBECTL = str(BIN / "kubectl")
FIVE_MEGABYTES = os.urandom(5_000_000)


@pytest.mark.parametrize("code", [0, 1, 3, 127, 255])
def test_exec_ends_with_the_commands_own_exit_code(cluster: Cluster, box: str, code: int) -> None:
    assert cluster.kubectl("exec", box, "--", "sh", "-c", f"exit {code}").code == code


def test_exec_keeps_stdout_and_stderr_apart(cluster: Cluster, box: str) -> None:
    done = cluster.kubectl("exec", box, "--", "sh", "-c", "echo to out; echo to err >&2")
    assert (done.out, done.err) == ("to out\n", "to err\n")


def test_exec_of_a_command_that_does_not_exist_says_so(cluster: Cluster, box: str) -> None:
    done = cluster.kubectl("exec", box, "--", "no-such-command")
    assert done.code in (1, 127)
    assert "no-such-command" in done.err


def test_exec_of_a_command_killed_by_a_signal_ends_as_a_shell_would(cluster: Cluster, box: str) -> None:
    assert cluster.kubectl("exec", box, "--", "sh", "-c", "kill -9 $$").code == 137


def test_exec_pipes_five_megabytes_through_cat_unharmed(cluster: Cluster, box: str) -> None:
    done = subprocess.run(
        [KUBECTL, "exec", "-i", box, "--", "cat"],
        input=FIVE_MEGABYTES,
        capture_output=True,
        env=cluster.env,
        timeout=60,
        check=True,
    )
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(FIVE_MEGABYTES).digest()


def test_exec_ends_stdin_for_the_command(cluster: Cluster, box: str) -> None:
    done = cluster.kubectl("exec", "-i", box, "--", "wc", "-c", stdin="four")
    assert done.ok().out.strip() == "4"


def test_exec_with_large_output_and_a_command_that_ends_at_once_loses_nothing(cluster: Cluster, box: str) -> None:
    done = cluster.kubectl("exec", box, "--", "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x").ok()
    assert len(done.out) == 3_000_000


def test_exec_on_a_terminal_has_its_size_and_follows_it(cluster: Cluster, box: str) -> None:
    words = [KUBECTL, "exec", "-it", box, "--", "sh"]
    with Terminal(words, cluster.env, rows=31, columns=97) as terminal:
        terminal.until(r"[#$] ")
        terminal.type("tty; stty size\n")
        terminal.until(r"/dev/pts/\d+\s+31 97")
        terminal.resize(40, 120)

        def resized() -> bool:
            terminal.type("stty size\n")
            return terminal.until(r"(\d+ \d+)\r").group(1) == "40 120"

        eventually(resized, 10, "the new size is in the container")
        terminal.type("exit 7\n")
        assert terminal.ended() == 7


def test_ctrl_c_on_a_terminal_reaches_the_command_not_kubectl(cluster: Cluster, box: str) -> None:
    with Terminal([KUBECTL, "exec", "-it", box, "--", "sh"], cluster.env) as terminal:
        terminal.until(r"[#$] ")
        terminal.type("sleep 4712\n")
        eventually(lambda: "sleep 4712" in running(cluster, box), 10, "the command runs")
        terminal.type("\x03")
        terminal.until(r"[#$] ")
        terminal.type("echo alive\n")
        terminal.until(r"\nalive\r")
        terminal.type("\x04")
        terminal.ended()


def test_a_command_ends_when_its_terminal_is_closed(cluster: Cluster, box: str) -> None:
    with Terminal([KUBECTL, "exec", "-it", box, "--", "sh"], cluster.env) as terminal:
        terminal.until(r"[#$] ")
        terminal.type("exec sleep 4711\n")
        eventually(lambda: "sleep 4711" in running(cluster, box), 10, "the command runs")
    eventually(lambda: "sleep 4711" not in running(cluster, box), 10, "the command is gone with its terminal")


def running(cluster: Cluster, box: str) -> str:
    """The command lines of the container's processes."""
    script = "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $f; echo; done"
    return cluster.kubectl("exec", box, "--", "sh", "-c", script).out


def test_exec_chooses_the_container(cluster: Cluster) -> None:
    two = pod("two", "sleep", "infinity")
    two["spec"]["containers"].append({"name": "d", "image": "host:1", "env": [{"name": "WHO", "value": "d"}]})
    cluster.create(two)
    cluster.wait_ready("two")
    asked = cluster.kubectl("exec", "two", "--", "sh", "-c", "echo ${WHO:-c}").ok()
    assert asked.out == "c\n"
    assert 'Defaulted container "c" out of: c, d' in asked.err
    assert cluster.kubectl("exec", "two", "-c", "d", "--", "sh", "-c", "echo $WHO").ok().out == "d\n"
    wrong = cluster.kubectl("exec", "two", "-c", "e", "--", "true")
    assert wrong.code == 1
    assert "container e" in wrong.err or "e is not valid" in wrong.err


def test_exec_in_a_pod_that_does_not_exist_or_has_ended_says_so(cluster: Cluster) -> None:
    assert 'pods "nobody" not found' in cluster.kubectl("exec", "nobody", "--", "true").err
    cluster.create(pod("over", "true", restartPolicy="Never"))
    cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/over", "--timeout=20s").ok()
    ended = cluster.kubectl("exec", "over", "--", "true")
    assert ended.code == 1
    assert "cannot exec into a container in a completed pod; current phase is Succeeded" in ended.err


# attach


def test_attach_shows_what_is_written_and_feeds_stdin(cluster: Cluster) -> None:
    listens = {"stdin": True, "stdinOnce": True}
    cluster.create(pod("listens", "sh", "-c", "while read line; do echo heard $line; done", container=listens))
    cluster.wait_ready("listens")
    done = cluster.kubectl("attach", "-i", "listens", stdin="one\ntwo\n", timeout=20)
    assert done.code == 0, done.err
    assert [line for line in done.out.splitlines() if line.startswith("heard")] == ["heard one", "heard two"]


def test_attach_with_a_terminal_talks_to_the_main_process(cluster: Cluster) -> None:
    cluster.create(pod("shell", "sh", container={"stdin": True, "tty": True}))
    cluster.wait_ready("shell")
    with Terminal([KUBECTL, "attach", "-it", "shell"], cluster.env, rows=33, columns=101) as terminal:
        terminal.type("\n")
        terminal.until(r"[#$] ")
        terminal.type("echo pid $$\n")
        terminal.until(r"\npid 1\r")

        def resized() -> bool:
            terminal.type("stty size\n")
            return terminal.until(r"(\d+ \d+)\r").group(1) == "33 101"

        eventually(resized, 10, "the terminal's size is in the container")


def test_run_with_a_terminal_returns_the_exit_code_and_removes_the_pod(cluster: Cluster) -> None:
    words = [KUBECTL, "run", "guest", "--image=host:1", "--restart=Never", "-it", "--rm", "--", "sh"]
    with Terminal(words, cluster.env) as terminal:
        terminal.until("press(ing)? enter", 20)
        terminal.type("\n")
        terminal.until(r"[#$] ")
        terminal.type("echo hi from $HOSTNAME\n")
        terminal.until(r"\nhi from guest\r")
        terminal.type("exit 5\n")
        assert terminal.ended(30) == 5
    assert "NotFound" in cluster.kubectl("get", "pod", "guest").err


def test_run_with_stdin_from_a_pipe_prints_the_answer(cluster: Cluster) -> None:
    words = ("run", "piped", "--image=host:1", "--restart=Never", "-i", "--rm", "--quiet", "--", "tr", "a-z", "A-Z")
    assert "HELLO" in cluster.kubectl(*words, stdin="hello\n").ok().out


# cp


def folder(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


def test_cp_of_twenty_megabytes_goes_in_and_out_unharmed(cluster: Cluster, box: str, work: Path) -> None:
    source, back = work / "big", work / "back"
    source.write_bytes(FIVE_MEGABYTES * 4)
    began = time.monotonic()
    cluster.kubectl("cp", str(source), f"{box}:/tmp/big").ok()
    cluster.kubectl("cp", f"{box}:/tmp/big", str(back)).ok()
    assert back.read_bytes() == source.read_bytes()
    assert time.monotonic() - began < 20


def test_cp_of_a_folder_keeps_its_tree(cluster: Cluster, box: str, work: Path) -> None:
    source = work / "source"
    for number in range(40):
        file = source / f"d{number % 4}" / "deep" / f"file {number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(number) * 100)
    cluster.kubectl("cp", str(source), f"{box}:/tmp/copied").ok()
    cluster.kubectl("cp", f"{box}:/tmp/copied", str(work / "back")).ok()
    assert folder(work / "back") == folder(source)


def test_cp_of_a_file_that_does_not_exist_makes_no_file(cluster: Cluster, box: str, work: Path) -> None:
    """What kubectl prints and its exit code are a race inside kubectl, between tar's end mark and tar's exit."""
    cluster.kubectl("cp", f"{box}:/tmp/missing", str(work / "x"))
    assert not (work / "x").exists()
