"""What the baseline standard forbids, one function a control; each gives a finding or nothing.

`spec` is a Pod's spec as JSON. Where a control changed over the releases, the function takes what changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from podling.api.podsecurity.words import (
    Finding,
    Json,
    containers,
    context,
    named,
    names,
    plural,
    quoted,
    setters,
)

_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_PROFILES = ("RuntimeDefault", "Localhost")
_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t")
SYSCTLS = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
)


def _profile(owner: Json, field: str) -> str | None:
    found = context(owner).get(field)
    return None if found is None else str(found.get("type", ""))


def apparmor(metadata: Json, spec: Json) -> Finding | None:
    def bad(owner: Json) -> bool:
        return _profile(owner, "appArmorProfile") not in (None, *_PROFILES)

    culprits = [owner for owner in (spec, *containers(spec)) if bad(owner)]
    values = sorted({_profile(owner, "appArmorProfile") or "" for owner in culprits})
    who = [who] if (who := setters(bad(spec), names(spec, bad))) else []
    notes = sorted(
        f"{key}={quoted([value])}"
        for key, value in (metadata.get("annotations") or {}).items()
        if key.startswith(_APPARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    )
    if notes:
        who.append(plural(len(notes), "annotation"))
        values += notes
    if not who:
        return None
    reason = plural(len(values), "forbidden AppArmor profile")
    return Finding(reason, f"{' and '.join(who)} must not set AppArmor profile type to {quoted(values)}")


def capabilities(metadata: Json, spec: Json) -> Finding | None:
    def added(container: Json) -> list[str]:
        given = (context(container).get("capabilities") or {}).get("add") or []
        return [each for each in given if each not in _CAPABILITIES]

    if not (bad := names(spec, added)):
        return None
    values = sorted({each for container in containers(spec) for each in added(container)})
    detail = f"{named(bad)} must not include {quoted(values)} in securityContext.capabilities.add"
    return Finding("non-default capabilities", detail)


def host_namespaces(metadata: Json, spec: Json) -> Finding | None:
    shared = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    return Finding("host namespaces", ", ".join(shared)) if shared else None


def host_paths(metadata: Json, spec: Json) -> Finding | None:
    bad = [volume.get("name", "") for volume in spec.get("volumes") or () if "hostPath" in volume]
    return Finding("hostPath volumes", f"{plural(len(bad), 'volume')} {quoted(bad)}") if bad else None


def host_ports(metadata: Json, spec: Json) -> Finding | None:
    def ports(container: Json) -> list[str]:
        return [str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")]

    if not (bad := names(spec, ports)):
        return None
    values = sorted({port for container in containers(spec) for port in ports(container)})
    verb, what = plural(len(bad), "uses", "use"), plural(len(values), "hostPort")
    return Finding("hostPort", f"{named(bad)} {verb} {what} {', '.join(values)}")


def host_probes(metadata: Json, spec: Json) -> Finding | None:
    if not (bad := sorted(set(names(spec, lambda container: list(_hosts(container)))))):
        return None
    values = sorted({host for container in containers(spec) for host in _hosts(container)})
    verb, what = plural(len(bad), "uses", "use"), plural(len(values), "probe or lifecycle host")
    return Finding("probe or lifecycle host", f"{named(bad)} {verb} {what} {quoted(values)}")


def _hosts(container: Json) -> Iterator[str]:
    lifecycle = container.get("lifecycle") or {}
    handlers = [container.get(name) for name in ("livenessProbe", "readinessProbe", "startupProbe")]
    for handler in (*handlers, lifecycle.get("postStart"), lifecycle.get("preStop")):
        for way in ("httpGet", "tcpSocket"):
            if host := ((handler or {}).get(way) or {}).get("host"):
                yield host


def privileged(metadata: Json, spec: Json) -> Finding | None:
    bad = names(spec, lambda container: context(container).get("privileged"))
    return Finding("privileged", f"{named(bad)} must not set securityContext.privileged=true") if bad else None


def proc_mount(metadata: Json, spec: Json) -> Finding | None:
    def other(container: Json) -> bool:
        return context(container).get("procMount") not in (None, "Default")

    if not (bad := names(spec, other)):
        return None
    values = sorted({context(container)["procMount"] for container in containers(spec) if other(container)})
    return Finding("procMount", f"{named(bad)} must not set securityContext.procMount to {quoted(values)}")


def selinux(spec: Json, types: Collection[str]) -> Finding | None:
    def wrong(owner: Json) -> list[str]:
        given = context(owner).get("seLinuxOptions") or {}
        found = [f"type:{given['type']}"] if given.get("type", "") not in types else []
        return found + [field for field in ("user", "role") if given.get(field)]

    who = setters(bool(wrong(spec)), names(spec, wrong))
    if not who:
        return None
    all_wrong = {each for owner in (spec, *containers(spec)) for each in wrong(owner)}
    bad = sorted(each.removeprefix("type:") for each in all_wrong if each.startswith("type:"))
    said = [f"{plural(len(bad), 'type')} {quoted(bad)}"] if bad else []
    said += [f"{field} may not be set" for field in ("user", "role") if field in all_wrong]
    return Finding("seLinuxOptions", f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(said)}")


def seccomp_annotations(metadata: Json, spec: Json) -> Finding | None:
    """Before release 1.19 profiles were annotations."""
    known = metadata.get("annotations") or {}
    keys = [_SECCOMP_POD, *(f"{_SECCOMP_CONTAINER}{container.get('name', '')}" for container in containers(spec))]
    bad = sorted(
        {
            f"{key}={quoted([known[key]])}"
            for key in keys
            if key in known
            and known[key] not in ("runtime/default", "docker/default")
            and not known[key].startswith("localhost/")
        }
    )
    return Finding("seccompProfile", f"forbidden {plural(len(bad), 'annotation')} {', '.join(bad)}") if bad else None


def seccomp(metadata: Json, spec: Json) -> Finding | None:
    def bad(owner: Json) -> bool:
        return _profile(owner, "seccompProfile") not in (None, *_PROFILES)

    who = setters(bad(spec), names(spec, bad))
    if not who:
        return None
    values = sorted({_profile(owner, "seccompProfile") or "" for owner in (spec, *containers(spec)) if bad(owner)})
    return Finding("seccompProfile", f"{who} must not set securityContext.seccompProfile.type to {quoted(values)}")


def sysctls(spec: Json, allowed: Collection[str]) -> Finding | None:
    given = [each.get("name", "") for each in context(spec).get("sysctls") or ()]
    bad = [name for name in given if name not in allowed]
    return Finding("forbidden sysctls", ", ".join(bad)) if bad else None


def windows_host_process(metadata: Json, spec: Json) -> Finding | None:
    def bad(owner: Json) -> bool:
        return bool((context(owner).get("windowsOptions") or {}).get("hostProcess"))

    who = setters(bad(spec), names(spec, bad))
    return (
        Finding("hostProcess", f"{who} must not set securityContext.windowsOptions.hostProcess=true") if who else None
    )
