"""Linux capabilities: what a container gets, and how a securityContext changes it.

The default set is the one that containerd gives, so an image behaves as it does elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable

# In the kernel's order: the position is the bit.
ALL = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)
DEFAULT = (
    *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP"),
    *("NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
)


def from_mask(mask: int) -> frozenset[str]:
    """The names in a mask as /proc/<pid>/status prints it (CapBnd)."""
    return frozenset(name for bit, name in enumerate(ALL) if mask >> bit & 1)


def granted(add: Iterable[str], drop: Iterable[str], privileged: bool, available: frozenset[str]) -> tuple[str, ...]:
    """`CAP_…` names, in the kernel's order. What this machine's own bounding set lacks cannot be given."""
    added, dropped = {_bare(name) for name in add}, {_bare(name) for name in drop}
    if privileged:
        names = set(ALL)
    else:
        names = set(ALL) if "ALL" in added else set() if "ALL" in dropped else set(DEFAULT)
        names = (names | added) - (dropped - added if "ALL" in dropped else dropped)
    return tuple(f"CAP_{name}" for name in ALL if name in names and name in available)


def _bare(name: str) -> str:
    return name.upper().removeprefix("CAP_")
