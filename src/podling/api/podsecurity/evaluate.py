"""All controls with the release they came, or changed, in; what a Pod violates of a standard.

First those of the baseline in order of their ids, then those of the restricted standard; a restricted control replaces
the baseline's of the same concern.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final

import msgspec

from podling.api.podsecurity import baseline, restricted
from podling.api.podsecurity.levels import Standard
from podling.api.podsecurity.words import Finding, Json

Check = Callable[[Json, Json], Finding | None]
"""(metadata, spec) of a Pod."""


class Control(msgspec.Struct, frozen=True):
    """`versions`: from which minor release on which check holds, ascending. `replaces` the baseline control."""

    id: str
    level: str
    versions: tuple[tuple[int, Check], ...]
    replaces: str = ""

    def check(self, minor: int | None) -> Check | None:
        held = [check for since, check in self.versions if minor is None or since <= minor]
        return held[-1] if held else None


def _selinux(*more: str) -> Check:
    types = (*baseline.SELINUX_TYPES, *more)
    return lambda metadata, spec: baseline.selinux(spec, types)


def _sysctls(*more: str) -> Check:
    allowed = (*baseline.SYSCTLS, *more)
    return lambda metadata, spec: baseline.sysctls(spec, allowed)


def _linux(check: Check) -> Check:
    """Windows has none of this."""
    return partial(_unless, lambda spec: (spec.get("os") or {}).get("name") == "windows", check)


def _host_users(check: Check) -> Check:
    """Who is root only in a user namespace of its own is not root."""
    return partial(_unless, lambda spec: spec.get("hostUsers") is False, check)


def _unless(exempt: Callable[[Json], bool], check: Check, metadata: Json, spec: Json) -> Finding | None:
    return None if exempt(spec) else check(metadata, spec)


_PORTS = "net.ipv4.ip_local_reserved_ports"
_KEEPALIVE = (
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
)
_BUFFERS = ("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem")

CONTROLS: Final = (
    Control("appArmorProfile", "baseline", ((0, baseline.apparmor),)),
    Control("capabilities_baseline", "baseline", ((0, baseline.capabilities),)),
    Control("hostNamespaces", "baseline", ((0, baseline.host_namespaces),)),
    Control("hostPathVolumes", "baseline", ((0, baseline.host_paths),)),
    Control("hostPorts", "baseline", ((0, baseline.host_ports),)),
    Control("hostProbesAndHostLifecycle", "baseline", ((34, baseline.host_probes),)),
    Control("privileged", "baseline", ((0, baseline.privileged),)),
    Control("procMount", "baseline", ((0, baseline.proc_mount), (35, _host_users(baseline.proc_mount)))),
    Control("seLinuxOptions", "baseline", ((0, _selinux()), (31, _selinux("container_engine_t")))),
    Control("seccompProfile_baseline", "baseline", ((0, baseline.seccomp_annotations), (19, baseline.seccomp))),
    Control(
        "sysctls",
        "baseline",
        (
            (0, _sysctls()),
            (27, _sysctls(_PORTS)),
            (29, _sysctls(_PORTS, *_KEEPALIVE)),
            (32, _sysctls(_PORTS, *_KEEPALIVE, *_BUFFERS)),
        ),
    ),
    Control("windowsHostProcess", "baseline", ((0, baseline.windows_host_process),)),
    Control(
        "allowPrivilegeEscalation",
        "restricted",
        ((8, restricted.privilege_escalation), (25, _linux(restricted.privilege_escalation))),
    ),
    Control(
        "capabilities_restricted",
        "restricted",
        ((22, restricted.capabilities), (25, _linux(restricted.capabilities))),
        "capabilities_baseline",
    ),
    Control("procMount_restricted", "restricted", ((35, baseline.proc_mount),), "procMount"),
    Control("restrictedVolumes", "restricted", ((0, restricted.volumes),), "hostPathVolumes"),
    Control("runAsNonRoot", "restricted", ((0, restricted.non_root), (35, _host_users(restricted.non_root)))),
    Control("runAsUser", "restricted", ((23, restricted.user), (35, _host_users(restricted.user)))),
    Control(
        "seccompProfile_restricted",
        "restricted",
        ((19, restricted.seccomp_profile), (25, _linux(restricted.seccomp_profile))),
        "seccompProfile_baseline",
    ),
)


def violations(standard: Standard, metadata: Json, spec: Json) -> list[Finding]:
    """What of a Pod the standard does not allow."""
    return [found for check in checks(standard) if (found := check(metadata, spec)) is not None]


@lru_cache(maxsize=256)
def checks(standard: Standard) -> tuple[Check, ...]:
    if standard.level == "privileged":
        return ()
    levels = ("baseline",) if standard.level == "baseline" else ("baseline", "restricted")
    held = [(each, check) for each in CONTROLS if each.level in levels and (check := each.check(standard.minor))]
    replaced = {each.replaces for each, _ in held}
    return tuple(check for each, check in held if each.id not in replaced)
