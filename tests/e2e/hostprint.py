"""A fingerprint of the host: what Podling must leave as it found it.

Sections are sorted lists of lines. Counters, handles, ages and what belongs to unrelated programs are left out;
everything that a container tool is known to leave behind is in.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

SYSCTLS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/forwarding",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv4/conf/lo/route_localnet",
    "net/ipv4/ip_unprivileged_port_start",
    "net/ipv6/conf/all/forwarding",
    "net/bridge/bridge-nf-call-iptables",
    "fs/inotify/max_user_instances",
    "fs/inotify/max_user_watches",
    "kernel/keys/maxkeys",
    "kernel/panic",
    "vm/overcommit_memory",
)
NAMESPACES = ("mnt", "net", "pid", "ipc", "uts")


def hostprint() -> dict[str, list[str]]:
    """Section → sorted lines."""
    return {
        "nft": _command("nft", "-s", "list", "ruleset"),
        "addresses": [_without_lifetimes(line) for line in _command("ip", "-o", "address")],
        "routes": sorted(_command("ip", "route", "show", "table", "all")),
        "rules": _command("ip", "rule"),
        "links": sorted(line.split(":")[1].strip() for line in _command("ip", "-o", "link")),
        "netns": _command("ip", "netns"),
        "mounts": _mounts(),
        "below the unified mount": _below_unified(),
        "cgroups": _cgroups(),
        "sysctls": [f"{name}={_sysctl(name)}" for name in SYSCTLS],
        "listeners": _listeners(),
        "processes": _processes(),
    }


def differences(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """`section: + new line` and `section: - lost line`."""
    out = []
    for section, lines in before.items():
        out += [f"{section}: + {line}" for line in after[section] if line not in lines]
        out += [f"{section}: - {line}" for line in lines if line not in after[section]]
    return out


def _command(*words: str) -> list[str]:
    program = shutil.which(words[0], path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert program, f"{words[0]} is needed to look at the host"
    done = subprocess.run([program, *words[1:]], capture_output=True, text=True, timeout=20, check=True)
    return [line.rstrip() for line in done.stdout.splitlines() if line.strip()]


def _without_lifetimes(line: str) -> str:
    return line.partition("valid_lft")[0].rstrip()


def _mounts() -> list[str]:
    """Where and what, without ids that change."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return sorted(f"{fields[4]} {fields[fields.index('-') + 1]}" for line in lines if (fields := line.split()))


def _below_unified() -> list[str]:
    """Files that the mount over /sys/fs/cgroup/unified hides, seen from a private mount namespace."""
    script = "mount --make-rprivate / && umount /sys/fs/cgroup/unified && find /sys/fs/cgroup/unified"
    if not os.path.ismount("/sys/fs/cgroup/unified"):
        return []
    return sorted(_command("unshare", "-m", "sh", "-c", script))


def _cgroups() -> list[str]:
    """Every cgroup folder of every hierarchy that is ours by name."""
    found = subprocess.run(
        ["find", "/sys/fs/cgroup", "-type", "d", "-path", "*podling*"], capture_output=True, text=True, check=False
    )
    return sorted(found.stdout.splitlines())


def _sysctl(name: str) -> str:
    path = Path("/proc/sys", name)
    return path.read_text().strip() if path.exists() else "absent"


def _listeners() -> list[str]:
    """Listening TCP and bound UDP sockets of the host's namespace on our addresses, and our Unix sockets."""
    out = []
    for protocol in ("tcp", "udp"):
        for line in Path(f"/proc/net/{protocol}").read_text().splitlines()[1:]:
            address, _, port = line.split()[1].partition(":")
            if address.endswith("4D7F") and line.split()[3] in ("0A", "07"):
                out.append(f"{protocol} {address}:{port}")
    out += [line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines() if "podling" in line]
    return sorted(out)


def _processes() -> list[str]:
    """Processes of ours, by command line, and any that lives in namespaces the host does not."""
    host = {name: os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES}
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            foreign = any(os.readlink(entry / "ns" / name) != host[name] for name in NAMESPACES)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if words and (foreign or "-m podling." in words):
            found.append(words)
    return sorted(found)
