"""Children: commands that are waited for, and orphans that are somebody's container.

As pid 1 of its namespace the keeper becomes the parent of whatever a runtime leaves behind. An orphan may end before
the runtime's pid file was read, so while a command runs, unknown ends are kept until someone asks for them.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from podling.keeper.loop import Loop

# Python ignores these two; a container must be born with the defaults.
_DEFAULTED = (signal.SIGPIPE, signal.SIGXFSZ)


class Processes:
    """`spawn` calls back with the wait status; `adopt` with that of an orphan, at once if it has ended already."""

    def __init__(self, loop: Loop) -> None:
        self._waiting: dict[int, Callable[[int], None]] = {}
        self._commands: set[int] = set()
        self._unclaimed: dict[int, int] = {}
        loop.children = self._ended

    def spawn(self, argv: list[str], fds: Mapping[int, int], done: Callable[[int], None]) -> int:
        """Run a program with `fds` (its descriptor → ours) as its only descriptors. Raises OSError."""
        # Through high numbers, so that no target overwrites a source that is still needed.
        actions: list[tuple[int, ...]] = []
        for target, source in fds.items():
            actions.append((os.POSIX_SPAWN_DUP2, source, 200 + target))
        for target in fds:
            actions.append((os.POSIX_SPAWN_DUP2, 200 + target, target))
            actions.append((os.POSIX_SPAWN_CLOSE, 200 + target))
        environment = {"PATH": os.environ.get("PATH", os.defpath)}
        pid = os.posix_spawn(
            argv[0], argv, environment, file_actions=actions, setsigdef=_DEFAULTED, setsigmask=()
        )  # fmt: skip
        self._commands.add(pid)
        self._waiting[pid] = done
        return pid

    def adopt(self, pid: int, done: Callable[[int], None]) -> None:
        status = self._unclaimed.pop(pid, None)
        if status is not None and not _alive(pid):
            done(status)
        else:
            self._waiting[pid] = done

    def _ended(self, pid: int, status: int) -> None:
        done = self._waiting.pop(pid, None)
        if done is None:
            if self._commands:
                self._unclaimed[pid] = status
            return
        try:
            done(status)
        finally:
            self._commands.discard(pid)
            if not self._commands:
                self._unclaimed.clear()


def _alive(pid: int) -> bool:
    """A number that was somebody's before may be somebody else's now."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def exit_of(status: int) -> tuple[int, int]:
    """(exit code, signal) of a wait status; killed by a signal is 128 and its number, as shells count."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return 128 + number, number
    return os.WEXITSTATUS(status), 0
