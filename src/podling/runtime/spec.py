"""What an OCI runtime is told: the runtime specification's config.json, built from values alone.

Follows containerd's defaults (capabilities, masked and read-only paths, mounts), so that an image finds here what
it finds under any kubelet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from podling.runtime.capabilities import granted
from podling.runtime.images.config import Settings
from podling.runtime.images.host import STANDARD_PATH
from podling.runtime.interface import ContainerConfig, Mount, Resources, SandboxConfig
from podling.runtime.users import Identity

_MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


class Host(msgspec.Struct, frozen=True):
    """What this machine can do."""

    capabilities: frozenset[str]
    controllers: frozenset[str]
    """cgroup controllers; a limit without one is left out."""
    lowest_oom_score: int
    """A lower oom_score_adj would be refused, and the whole container with it."""
    unified: bool
    """cgroup v2 alone."""
    swap_accounting: bool = False


class Image(msgspec.Struct, frozen=True):
    """What of the image matters: its settings, PATH where it sets none, and read-only binds (FROM host)."""

    settings: Settings
    path: str = STANDARD_PATH
    binds: tuple[str, ...] = ()


def command(config: ContainerConfig, settings: Settings) -> tuple[str, ...]:
    """`command` replaces the entrypoint and with it the image's arguments; `args` replace the arguments."""
    if config.command:
        return (*config.command, *config.args)
    return (*(settings.entrypoint or ()), *(config.args or settings.cmd or ()))


def oci_spec(
    config: ContainerConfig,
    sandbox: SandboxConfig,
    image: Image,
    identity: Identity,
    paths: Mapping[str, str],
    cgroup: str,
    host: Host,
) -> dict[str, Any]:
    """The whole config.json. `paths` leads to the sandbox's namespaces and its /dev/shm, `rootfs` lies beside it; with
    a `pid` among them the container has no process namespace of its own."""
    privileged = config.security.privileged
    spec: dict[str, Any] = {
        "ociVersion": "1.0.2",
        "process": process(config, sandbox, image, identity, host),
        "root": {"path": "rootfs", "readonly": config.security.read_only_root},
        "mounts": _mounts(config, image, paths, privileged),
        "linux": {
            "cgroupsPath": cgroup,
            "namespaces": _namespaces(sandbox, paths, host),
            "resources": resources(config.resources, host, privileged),
            "rootfsPropagation": "private",
        },
    }
    if not privileged and not config.security.unmasked_proc:
        spec["linux"] |= {"maskedPaths": list(_MASKED), "readonlyPaths": list(_READ_ONLY)}
    return spec


def process(
    config: ContainerConfig, sandbox: SandboxConfig, image: Image, identity: Identity, host: Host
) -> dict[str, Any]:
    security = config.security
    names = granted(security.add_capabilities, security.drop_capabilities, security.privileged, host.capabilities)
    described: dict[str, Any] = {
        "terminal": config.tty,
        "user": {"uid": identity.uid, "gid": identity.gid, "additionalGids": list(identity.groups)},
        "args": list(command(config, image.settings)),
        "env": environment(config, sandbox, image, identity),
        "cwd": config.working_dir or image.settings.working_dir or "/",
        "capabilities": {kind: list(names) for kind in ("bounding", "effective", "permitted")},
        "noNewPrivileges": security.no_new_privileges,
    }
    score = config.resources.oom_score_adj
    if score is not None and score >= host.lowest_oom_score:
        described["oomScoreAdj"] = score
    return described


def environment(config: ContainerConfig, sandbox: SandboxConfig, image: Image, identity: Identity) -> list[str]:
    """The image's variables, then the Pod's; PATH, HOSTNAME and HOME are always there."""
    values = {"PATH": image.path, "HOSTNAME": sandbox.hostname, "HOME": identity.home}
    if config.tty:
        values["TERM"] = "xterm"
    for setting in image.settings.env:
        name, _, value = setting.partition("=")
        values[name] = value
    values.update(config.env)
    return [f"{name}={value}" for name, value in values.items()]


def resources(wanted: Resources, host: Host, privileged: bool) -> dict[str, Any]:
    """cgroup settings, as far as this host has the controllers."""
    out: dict[str, Any] = {}
    if "devices" in host.controllers or host.unified:
        out["devices"] = [{"allow": privileged, "access": "rwm"}]
    if wanted.memory_limit is not None and "memory" in host.controllers:
        # Memory and swap together, so that a limit is one (Kubernetes' NoSwap).
        swap = {"swap": wanted.memory_limit} if host.swap_accounting else {}
        out["memory"] = {"limit": wanted.memory_limit} | swap
    if "cpu" in host.controllers:
        cpu: dict[str, int] = {}
        if wanted.cpu_shares is not None:
            cpu["shares"] = wanted.cpu_shares
        if wanted.cpu_quota is not None:
            cpu |= {"quota": wanted.cpu_quota, "period": wanted.cpu_period}
        if cpu:
            out["cpu"] = cpu
    if wanted.pids_limit is not None and "pids" in host.controllers:
        out["pids"] = {"limit": wanted.pids_limit}
    return out


def refused(wanted: Resources, host: Host) -> tuple[str, ...]:
    """What cannot be enforced here, each as a sentence for an event."""
    found = []
    if wanted.memory_limit is not None and "memory" not in host.controllers:
        found.append("memory limits cannot be enforced: this machine has no memory cgroup controller")
    if (wanted.cpu_quota is not None or wanted.cpu_shares is not None) and "cpu" not in host.controllers:
        found.append("CPU limits cannot be enforced: this machine has no cpu cgroup controller")
    if wanted.pids_limit is not None and "pids" not in host.controllers:
        found.append("process limits cannot be enforced: this machine has no pids cgroup controller")
    if wanted.oom_score_adj is not None and wanted.oom_score_adj < host.lowest_oom_score:
        found.append(f"an oom_score_adj below {host.lowest_oom_score} cannot be set here (no CAP_SYS_RESOURCE)")
    return tuple(found)


def _namespaces(sandbox: SandboxConfig, paths: Mapping[str, str], host: Host) -> list[dict[str, str]]:
    kinds = [{"type": "mount"}]
    if "pid" in paths:
        kinds.append({"type": "pid", "path": paths["pid"]})
    elif not sandbox.host_pid:
        kinds.append({"type": "pid"})
    if host.unified:
        kinds.append({"type": "cgroup"})
    joined = {"network": "net", "ipc": "ipc", "uts": "uts"}
    return kinds + [{"type": kind, "path": paths[short]} for kind, short in joined.items()]


def _mounts(config: ContainerConfig, image: Image, paths: Mapping[str, str], privileged: bool) -> list[dict[str, Any]]:
    safe = ["nosuid", "noexec", "nodev"]
    mounts = [
        _mount("proc", "/proc", "proc", safe),
        _mount("tmpfs", "/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _mount(
            "devpts", "/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
        ),
        _mount("mqueue", "/dev/mqueue", "mqueue", safe),
        _mount("sysfs", "/sys", "sysfs", [*safe, "rw" if privileged else "ro"]),
        _mount("cgroup", "/sys/fs/cgroup", "cgroup", [*safe, "relatime", "rw" if privileged else "ro"]),
        _bind(paths["shm"], "/dev/shm", False),
        *(_bind(path, path, True) for path in image.binds),
    ]
    own = {mount.target.rstrip("/") for mount in config.mounts}
    return [mount for mount in mounts if mount["destination"] not in own] + [
        _bind(mount.source, mount.target, mount.read_only, mount.no_exec) for mount in _outer_first(config.mounts)
    ]


def _outer_first(mounts: tuple[Mount, ...]) -> list[Mount]:
    """A mount inside another one must come after it."""
    return sorted(mounts, key=lambda mount: mount.target.rstrip("/").count("/"))


def _bind(source: str, target: str, read_only: bool, no_exec: bool = False) -> dict[str, Any]:
    options = ["rbind", "rprivate", "ro" if read_only else "rw"]
    return _mount(source, target, "bind", options + (["noexec"] if no_exec else []))


def _mount(source: str, target: str, kind: str, options: list[str]) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source, "options": options}
