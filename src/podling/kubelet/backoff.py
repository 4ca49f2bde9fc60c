"""When a container that ended may start again: upstream's back-off, as a function of its last run.

Each run carries the delay that was in force when it was started (a label that the runtime keeps), so a newborn kubelet
goes on exactly where the killed one stopped and no clock has to be saved. The first restart is immediate; then 10 s,
doubling to 5 min; a run that lasted over 10 min starts afresh. (Kubernetes documentation, "Pod Lifecycle: Container
restart policy".)
"""

from __future__ import annotations

INITIAL = 10.0
LONGEST = 300.0
FORGIVEN_AFTER = 2 * LONGEST


def doubled(delay: float) -> float:
    """The delay after `delay`, in seconds; 0 is "none yet"."""
    return INITIAL if delay <= 0 else min(2 * delay, LONGEST)


def forgiven(created_at: float, finished_at: float) -> bool:
    """Whether a run was so long that its predecessors' failures are forgotten."""
    return finished_at - created_at > FORGIVEN_AFTER


def ready_at(delay: float, created_at: float, finished_at: float) -> float:
    """The wall-clock second from which a container may start again after a run begun with `delay`."""
    if delay <= 0 or forgiven(created_at, finished_at):
        return finished_at
    return finished_at + delay


def next_delay(delay: float, created_at: float, finished_at: float) -> float:
    """The delay the next run carries."""
    return INITIAL if forgiven(created_at, finished_at) else doubled(delay)


def go_duration(seconds: float) -> str:
    """Whole seconds as Go prints a duration: `10s`, `1m20s`, `5m0s`, `1h0m0s`."""
    minutes, rest = divmod(int(seconds), 60)
    if not minutes:
        return f"{rest}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s"
