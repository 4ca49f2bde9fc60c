"""Which system calls a container may make, where its Pod asks for a profile.

The runtime's own profile lets everything through but the calls that containers are never given (those that Docker's
documentation names as blocked by default), each again allowed by the capability that is meant for it. A profile of a
file is what its author wrote, in Docker's form or the runtime specification's.
"""

from __future__ import annotations

import platform
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

Json = dict[str, Any]

RUNTIME_DEFAULT = "RuntimeDefault"
_ALLOW, _REFUSE = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
_EPERM, _ENOSYS = 1, 38
_ARCHITECTURES = {
    "x86_64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "aarch64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
}
_NEVER = (
    *("_sysctl", "add_key", "create_module", "get_kernel_syms", "io_uring_enter", "io_uring_register"),
    *("io_uring_setup", "kexec_file_load", "kexec_load", "keyctl", "move_pages", "nfsservctl", "pivot_root"),
    *("query_module", "request_key", "swapoff", "swapon", "sysfs", "uselib", "userfaultfd", "ustat", "vm86", "vm86old"),
)
_NAMESPACES = ("mount", "umount", "umount2", "unshare", "setns", "fsopen", "fsconfig", "fsmount", "fspick")
_BY_CAPABILITY: Mapping[str, tuple[str, ...]] = {
    "CAP_SYS_ADMIN": (*_NAMESPACES, "move_mount", "open_tree", "lookup_dcookie", "quotactl", "fanotify_init"),
    "CAP_SYS_BOOT": ("reboot",),
    "CAP_SYS_MODULE": ("delete_module", "finit_module", "init_module"),
    "CAP_SYS_PACCT": ("acct",),
    "CAP_SYS_PTRACE": ("kcmp",),
    "CAP_SYS_RAWIO": ("ioperm", "iopl"),
    "CAP_SYS_TIME": ("clock_settime", "settimeofday", "stime"),
    "CAP_SYS_NICE": ("get_mempolicy", "mbind", "set_mempolicy"),
    "CAP_DAC_READ_SEARCH": ("open_by_handle_at",),
}
_BY_ONE_OF: Mapping[str, tuple[str, ...]] = {
    "bpf": ("CAP_SYS_ADMIN", "CAP_BPF"),
    "perf_event_open": ("CAP_SYS_ADMIN", "CAP_PERFMON"),
}
_CLONED = (0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000)
"""The flags of clone(2) that make new namespaces."""


class BadProfile(ValueError):
    """A profile's file is missing or not what it should be."""


def profile_of(wanted: str, capabilities: Collection[str]) -> Json:
    """`linux.seccomp` for `RuntimeDefault` or the path of a profile. Raises BadProfile."""
    return default(capabilities) if wanted == RUNTIME_DEFAULT else of_file(Path(wanted))


def default(capabilities: Collection[str], machine: str = platform.machine()) -> Json:
    """`linux.seccomp` for a container with these capabilities (`CAP_…`)."""
    names = [*_NEVER]
    for capability, calls in _BY_CAPABILITY.items():
        names += () if capability in capabilities else calls
    names += (call for call, one_of in _BY_ONE_OF.items() if not any(each in capabilities for each in one_of))
    rules: list[Json] = [{"names": sorted(names), "action": _REFUSE, "errnoRet": _EPERM}]
    if "CAP_SYS_ADMIN" not in capabilities:
        # Programs fall back to clone, whose flags can be read here.
        rules.append({"names": ["clone3"], "action": _REFUSE, "errnoRet": _ENOSYS})
        rules += [_clone(flag) for flag in _CLONED]
    return _named_architectures({"defaultAction": _ALLOW, "syscalls": rules}, machine)


def _clone(flag: int) -> Json:
    argument = {"index": 0, "value": flag, "valueTwo": flag, "op": "SCMP_CMP_MASKED_EQ"}
    return {"names": ["clone"], "action": _REFUSE, "errnoRet": _EPERM, "args": [argument]}


def _named_architectures(profile: Json, machine: str) -> Json:
    known = _ARCHITECTURES.get(machine)
    return profile | ({"architectures": known} if known else {})


def of_file(path: Path, machine: str = platform.machine()) -> Json:
    """`linux.seccomp` as a file says it. Raises BadProfile."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Json)
        rules = [_rule(each) for each in found.get("syscalls") or ()]
        profile: Json = {"defaultAction": found["defaultAction"], "syscalls": rules}
    except OSError as error:
        raise BadProfile(f"cannot load seccomp profile {str(path)!r}: {error.strerror}") from error
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
        raise BadProfile(f"cannot load seccomp profile {str(path)!r}: it is none") from error
    if "defaultErrnoRet" in found:
        profile["defaultErrnoRet"] = found["defaultErrnoRet"]
    if found.get("architectures"):
        return profile | {"architectures": found["architectures"]}
    return _named_architectures(profile, machine)


def _rule(found: Json) -> Json:
    names = found.get("names") or [found["name"]]
    kept = {key: found[key] for key in ("action", "errnoRet", "args") if found.get(key) is not None}
    return {"names": names, **kept}
