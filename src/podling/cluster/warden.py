"""The warden of a node process: its parent, which starts it again whenever it dies.

It is to the node process what systemd is to a kubelet. It was forked from the process that has loaded everything and
does nothing but wait, so that the next life is a fork away. It begins its watch when the starter writes it down (the
first life has become ready then) and ends it where that note or the node's keeper has gone. Signals are heard only
while it waits: whoever ends it finds the node process it made last in the pid file, or one that ends by itself because
it was never told to go.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import NamedTuple

from podling.env import Env
from podling.keeper.launch import find_keeper

from .launch import Reporter
from .paths import NodePaths
from .process import Process

STEADY_SECONDS = 60.0
"""Who lived so long did not die of what the life before died of."""
LONGEST_REST = 10.0
"""RestartSec of the kubelet's unit as kubeadm installs it."""
_HEARD = (signal.SIGCHLD, signal.SIGTERM)

log = logging.getLogger(__name__)


class Deaths(NamedTuple):
    """How often in a row a process has died young."""

    in_a_row: int = 0

    def after(self, lived: float) -> Deaths:
        """One more, after a life of so many seconds."""
        return Deaths(1 if lived >= STEADY_SECONDS else self.in_a_row + 1)

    @property
    def rest(self) -> float:
        """Seconds until the next life: none at first, then 1, 2, 4, 8 and always 10."""
        return 0.0 if self.in_a_row < 2 else min(2.0 ** min(self.in_a_row - 2, 10), LONGEST_REST)


class Warden:
    """Of one node, in a process with one thread and without a loop."""

    def __init__(self, node: NodePaths, live: Callable[[Reporter], int], env: Env) -> None:
        """`live`: the life of a node process, which returns its exit code."""
        self._node, self._live, self._env = node, live, env

    def run(self, first: Reporter) -> int:
        """Until the node process needs no warden any more; `first` is for the life that the starter waits for."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
        pid = self._fork(first)
        first.close()
        deaths = Deaths()
        while True:
            began = self._env.monotonic()
            if (status := self._end_of(pid)) is None or not self._wanted():
                return 0
            lived = self._env.monotonic() - began
            deaths = deaths.after(lived)
            log.warning(
                "the node process (pid %d) %s after %.1f s; its Pods run on, and it is started again %s",
                pid, _told(status), lived, f"in {deaths.rest:.0f} s" if deaths.rest else "at once",
            )  # fmt: skip
            if not self._rested(deaths.rest) or not self._wanted():
                return 0
            pid = self._again()

    def _fork(self, reporter: Reporter, unneeded: int = -1) -> int:
        if pid := os.fork():
            return pid
        code = 1
        try:
            os.setsid()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
            if unneeded >= 0:
                os.close(unneeded)
            code = self._live(reporter)
        finally:  # whatever happens: only the parent is the warden
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _again(self) -> int:
        """It begins once it is written down, or never."""
        go, told = os.pipe2(os.O_CLOEXEC)
        pid = self._fork(Reporter(go, -1), told)
        os.close(go)
        if process := Process.of(pid):
            process.save(self._node.pid)
        try:
            os.write(told, b"go\n")
        except BrokenPipeError:
            pass  # it died already, which will be told next
        finally:
            os.close(told)
        return pid

    def _end_of(self, pid: int) -> int | None:
        """Its wait status; None where the warden is told to end first."""
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return status
            if signal.sigwaitinfo(_HEARD).si_signo == signal.SIGTERM:
                return None

    def _rested(self, seconds: float) -> bool:
        """False where the warden is told to end meanwhile."""
        until = self._env.monotonic() + seconds
        while (left := until - self._env.monotonic()) > 0:
            heard = signal.sigtimedwait(_HEARD, left)
            if heard is not None and heard.si_signo == signal.SIGTERM:
                return False
        return True

    def _wanted(self) -> bool:
        watch = Process.load(self._node.warden_pid)
        return watch is not None and watch.pid == os.getpid() and find_keeper(self._node.directory) is not None


def _told(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
