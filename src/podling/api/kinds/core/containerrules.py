"""What may be wrong with containers, init containers and ephemeral containers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.core import envrules, handlerrules, resourcerules, volumerules, volumesources

Json = dict[str, Any]

PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_NOT_EPHEMERAL: Final = ("ports", *PROBES, "lifecycle", "resources", "resizePolicy", "restartPolicy")
_LARGEST_ID: Final = 2**31 - 1


def containers(path: str, spec: Json) -> list[Cause]:
    """spec.containers; `path` is that of the Pod spec."""
    given = spec.get("containers") or []
    if not given:
        return [causes.required(f"{path}.containers")]
    found: list[Cause] = []
    seen: set[str] = set()
    for index, container in enumerate(given):
        here = f"{path}.containers[{index}]"
        found += _common(here, container, spec)
        found += _unique(f"{here}.name", container, seen)
        found += _running(here, container, spec)
        if container.get("restartPolicy") is not None:
            found += rules.one_of(f"{here}.restartPolicy", container["restartPolicy"], ("Always", "OnFailure", "Never"))
    return found + _host_ports(f"{path}.containers", given)


def init_containers(path: str, spec: Json) -> list[Cause]:
    """spec.initContainers: those with restartPolicy Always are sidecars and may have probes."""
    found: list[Cause] = []
    seen = {container.get("name", "") for container in spec.get("containers") or ()}
    for index, container in enumerate(spec.get("initContainers") or ()):
        here = f"{path}.initContainers[{index}]"
        found += _common(here, container, spec)
        found += _unique(f"{here}.name", container, seen)
        if container.get("restartPolicy") == "Always":
            found += _running(here, container, spec)
            continue
        text = "may not be set for init containers without restartPolicy=Always"
        found += [causes.forbidden(f"{here}.{n}", text) for n in ("lifecycle", *PROBES) if container.get(n) is not None]
    return found + _host_ports(f"{path}.initContainers", spec.get("initContainers") or [])


def ephemeral_containers(path: str, spec: Json) -> list[Cause]:
    """spec.ephemeralContainers: for looking, so without anything a kubelet would have to care for."""
    others = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    seen = {container.get("name", "") for container in others}
    found: list[Cause] = []
    for index, container in enumerate(spec.get("ephemeralContainers") or ()):
        here = f"{path}.ephemeralContainers[{index}]"
        found += _common(here, container, spec)
        target = container.get("targetContainerName")
        if target and target not in {other.get("name") for other in others}:
            found.append(causes.not_found(f"{here}.targetContainerName", target))
        found += _unique(f"{here}.name", container, seen)
        for name in _NOT_EPHEMERAL:
            if container.get(name):
                found.append(causes.forbidden(f"{here}.{name}", "cannot be set for an Ephemeral Container"))
    return found


def _common(path: str, container: Json, spec: Json) -> list[Cause]:
    image = container.get("image", "")
    found = rules.named(f"{path}.name", container.get("name", ""), names.dns_label)
    if not image:
        found.append(causes.required(f"{path}.image"))
    elif image != image.strip():
        found.append(causes.invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    found += rules.required_one_of(
        f"{path}.terminationMessagePolicy",
        container.get("terminationMessagePolicy"),
        ("File", "FallbackToLogsOnError"),
    )
    found += _ports(f"{path}.ports", container.get("ports") or [], host_network=bool(spec.get("hostNetwork")))
    variables = container.get("env") or []
    found += envrules.env(f"{path}.env", variables)
    found += envrules.files(f"{path}.env", variables, spec.get("volumes") or [])
    found += envrules.env_from(f"{path}.envFrom", container.get("envFrom") or [])
    known = {volume.get("name", "") for volume in spec.get("volumes") or ()}
    found += volumerules.mounts(path, container, known)
    found += rules.required_one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), PULL_POLICIES)
    found += resourcerules.resources(f"{path}.resources", container.get("resources"))
    found += _resizing(f"{path}.resizePolicy", container.get("resizePolicy") or [], spec.get("restartPolicy"))
    context = container.get("securityContext")
    return found + _security(f"{path}.securityContext", context, host_users=spec.get("hostUsers") is not False)


def _resizing(path: str, policies: list[Json], restart: str | None) -> list[Cause]:
    found: list[Cause] = []
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        here, name, way = f"{path}[{index}]", policy.get("resourceName", ""), policy.get("restartPolicy", "")
        if name in seen:
            found.append(causes.duplicate(here, name))
        seen.add(name)
        found += rules.required_one_of(f"{path}.resourceName", name, ("cpu", "memory"))
        found += rules.required_one_of(f"{path}.restartPolicy", way, ("NotRequired", "RestartContainer"))
        if restart == "Never" and way == "RestartContainer":
            text = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            found.append(causes.invalid(f"{path}.restartPolicy", way, text))
    return found


def _running(path: str, container: Json, spec: Json) -> list[Cause]:
    """What only long-running containers have."""
    grace = spec.get("terminationGracePeriodSeconds", 30)
    found = handlerrules.lifecycle(f"{path}.lifecycle", container.get("lifecycle"), grace)
    for name in PROBES:
        found += handlerrules.probe(path, name, container.get(name), grace)
    return found


def _unique(path: str, container: Json, seen: set[str]) -> list[Cause]:
    name = container.get("name", "")
    found = [causes.duplicate(path, name)] if name and name in seen else []
    seen.add(name)
    return found


def _ports(path: str, ports: list[Json], *, host_network: bool) -> list[Cause]:
    found: list[Cause] = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        here = f"{path}[{index}]"
        if name := port.get("name"):
            wrong = rules.all_invalid(f"{here}.name", name, names.port_name(name))
            found += wrong or ([causes.duplicate(f"{here}.name", name)] if name in seen else [])
            seen.add(name)
        number, host_port = port.get("containerPort", 0), port.get("hostPort", 0)
        if not number:
            found.append(causes.required(f"{here}.containerPort"))
        else:
            found += rules.all_invalid(f"{here}.containerPort", number, names.port_number(number))
        if host_port:
            found += rules.all_invalid(f"{here}.hostPort", host_port, names.port_number(host_port))
        if host_network and host_port != number:
            text = "must match `hostPort` when `hostNetwork` is true"
            found.append(causes.invalid(f"{here}.containerPort", number, text))
        found += rules.required_one_of(f"{here}.protocol", port.get("protocol"), PROTOCOLS)
    return found


def _host_ports(path: str, given: Iterable[Json]) -> list[Cause]:
    """Two containers cannot have the same port of the host."""
    found: list[Cause] = []
    seen: set[str] = set()
    for index, container in enumerate(given):
        for number, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            claim = f"{port.get('protocol', 'TCP')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if claim in seen:
                found.append(causes.duplicate(f"{path}[{index}].ports[{number}].hostPort", claim))
            seen.add(claim)
    return found


def user_id(path: str, value: int | None) -> list[Cause]:
    if value is None or 0 <= value <= _LARGEST_ID:
        return []
    return [causes.invalid(path, value, names.between(0, _LARGEST_ID))]


def _security(path: str, context: Json | None, *, host_users: bool) -> list[Cause]:
    if not context:
        return []
    found = user_id(f"{path}.runAsUser", context.get("runAsUser"))
    found += user_id(f"{path}.runAsGroup", context.get("runAsGroup"))
    found += profile(f"{path}.seccompProfile", context.get("seccompProfile"), "seccomp")
    found += profile(f"{path}.appArmorProfile", context.get("appArmorProfile"), "AppArmor")
    mount = context.get("procMount")
    if mount is not None:
        found += rules.one_of(f"{path}.procMount", mount, ("Default", "Unmasked"))
        if mount == "Unmasked" and host_users:
            found.append(causes.invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`"))
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            found.append(causes.invalid(path, context, text))
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            found.append(causes.invalid(path, context, text))
    return found


def profile(path: str, given: Json | None, what: str) -> list[Cause]:
    """A seccomp or AppArmor profile; `what` is one of these words."""
    if given is None:
        return []
    kind, local = given.get("type", ""), given.get("localhostProfile")
    if kind == "Localhost":
        if not (local or "").strip():
            return [causes.required(f"{path}.localhostProfile", f"must be set when {what} type is Localhost")]
        return volumesources.descending(f"{path}.localhostProfile", str(local)) if what == "seccomp" else []
    if local is not None:
        text = f"can only be set when {what} type is Localhost"
        return [causes.invalid(f"{path}.localhostProfile", local, text)]
    if not kind:
        field = path.rpartition(".")[2]
        return [causes.required(f"{path}.type", f"type is required when {field} is set")]
    return rules.one_of(f"{path}.type", kind, ("Localhost", "RuntimeDefault", "Unconfined"))
