"""Kernel settings a Pod asks for: which of them a kubelet allows, and how their names are written.

Only settings that belong to the Pod's own namespaces and cannot harm its neighbours are allowed; all others refuse the
Pod (Kubernetes documentation, "Using sysctls in a Kubernetes Cluster").
"""

from __future__ import annotations

from podling.api.kinds.core.podspec import PodSpec

_IPC, _NET = "IPC", "Net"
_SAFE = {
    "kernel.shm_rmid_forced": _IPC,
    "net.ipv4.ip_local_port_range": _NET,
    "net.ipv4.ip_local_reserved_ports": _NET,
    "net.ipv4.ip_unprivileged_port_start": _NET,
    "net.ipv4.ping_group_range": _NET,
    "net.ipv4.tcp_fin_timeout": _NET,
    "net.ipv4.tcp_keepalive_intvl": _NET,
    "net.ipv4.tcp_keepalive_probes": _NET,
    "net.ipv4.tcp_keepalive_time": _NET,
    "net.ipv4.tcp_rmem": _NET,
    "net.ipv4.tcp_syncookies": _NET,
    "net.ipv4.tcp_wmem": _NET,
}
_SWAPPED = str.maketrans("./", "/.")


def normalised(name: str) -> str:
    """With dots as separators: `kernel/shm_rmid_forced` is `kernel.shm_rmid_forced`."""
    first = next((sign for sign in name if sign in "./"), ".")
    return name.translate(_SWAPPED) if first == "/" else name


def wanted(spec: PodSpec) -> dict[str, str]:
    """The Pod's settings by normalised name."""
    context = spec.security_context
    return {normalised(each.name): each.value for each in context.sysctls} if context is not None else {}


def forbidden(spec: PodSpec) -> str:
    """Why one of the settings is not allowed, in upstream's words; empty if all are."""
    for name in wanted(spec):
        namespace = _SAFE.get(name)
        if namespace is None:
            return f'forbidden sysctl: "{name}" not allowlisted'
        if spec.host_ipc if namespace == _IPC else spec.host_network:
            return f'forbidden sysctl: "{name}" not allowed with host {namespace} enabled'
    return ""
