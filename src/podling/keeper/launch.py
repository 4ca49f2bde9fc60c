"""Start a keeper, find one, end one: what the starter of a node calls.

Runs in the starter's process (any thread; it blocks for about 50 ms) and needs root. The keeper holds a lock on
its state folder for as long as it lives, so whether one runs is never a guess.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from podling.keeper import cgroups
from podling.wire.keeper import Decoder, encode


class KeeperError(Exception):
    """The keeper did not start; the text says why."""


class KeeperHandle(NamedTuple):
    """A running keeper: its pid as the host counts it, and where it listens."""

    pid: int
    socket: Path

    def kill(self) -> None:
        """SIGKILL: the kernel ends the node with it. One that has ended already is no error."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def wait(self, seconds: float) -> bool:
        """True once the keeper has ended, False when it still lives after `seconds`."""
        import select

        try:
            watched = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            return bool(select.select([watched], [], [], seconds)[0])
        finally:
            os.close(watched)


def start_keeper(state_dir: Path, cluster: str, node: str) -> KeeperHandle:
    """A new keeper, which outlives the caller. Raises KeeperError (also when one runs for this folder already)."""
    package = Path(__file__).resolve().parents[2]
    # -S and -E: what the site brings costs 30 ms and 4 MB, and the keeper needs the standard library only.
    start = (
        f"import sys; sys.path.insert(0, {str(package)!r});"
        "from podling.keeper.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    names = ["--state", str(state_dir.absolute()), "--cluster", cluster, "--node", node]
    try:
        done = subprocess.run(
            [sys.executable, "-S", "-E", "-c", start, *names],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            start_new_session=True,  # a Ctrl-C meant for the caller must not end it half way
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KeeperError(str(error)) from error
    if done.returncode != 0:
        raise KeeperError(done.stderr.strip() or f"the keeper ended with {done.returncode}")
    return KeeperHandle(int(done.stdout), state_dir / "keeper.sock")


def find_keeper(state_dir: Path) -> KeeperHandle | None:
    """The keeper that holds this folder, None if none does."""
    try:
        with open(state_dir / "keeper.lock", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = lock.read()
                return KeeperHandle(int(text), state_dir / "keeper.sock") if text else None
    except FileNotFoundError:
        pass
    return None


def stop_keeper(state_dir: Path, grace: float) -> None:
    """End the node of this folder: stop signals, then SIGKILL after `grace` seconds. Idempotent, never asks twice."""
    keeper = find_keeper(state_dir)
    if keeper is None:
        return
    try:
        _ask_to_stop(state_dir, grace)
        keeper.wait(grace + 1)
    except OSError:
        pass  # it does not listen any more: what follows needs no consent
    keeper.kill()
    keeper.wait(5)


def clean_up(cluster: str, node: str) -> bool:
    """Kill whatever the node's groups still list and remove them: needs no state. True when nothing is left."""
    return cgroups.cleanup(cluster, node)


def _ask_to_stop(state_dir: Path, grace: float) -> None:
    folder = os.open(state_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(2)
            client.connect(f"/proc/self/fd/{folder}/keeper.sock")
            client.sendall(encode({"id": 1, "op": "stop", "with": {"grace": grace}}))
            answers = Decoder()
            while data := client.recv(4096):
                if any(answer.get("id") == 1 for answer in answers.feed(data)):
                    return
    finally:
        os.close(folder)
