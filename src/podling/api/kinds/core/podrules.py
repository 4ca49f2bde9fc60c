"""What may be wrong with a Pod, a Pod template, and a change of a Pod.

The spec is checked in upstream's order, so that messages come in the order kubectl users know. A running Pod may change
little; everything else answers with the list of what may.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from podling.api import meta, names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.core import containerrules, resourcerules, schedulingrules, volumerules

Json = dict[str, Any]

RESTART_POLICIES: Final = ("Always", "OnFailure", "Never")
DNS_POLICIES: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_LARGEST_INT: Final = 2**31 - 1
_UPDATABLE: Final = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod(obj: Json) -> list[Cause]:
    return pod_spec("spec", obj.get("spec") or {})


def template(path: str, value: Json | None) -> list[Cause]:
    """A PodTemplateSpec."""
    if value is None:
        return [causes.required(path)]
    metadata, spec = value.get("metadata") or {}, value.get("spec") or {}
    found = rules.labels(f"{path}.metadata.labels", metadata.get("labels"))
    found += meta.check_annotations(f"{path}.metadata.annotations", metadata.get("annotations") or {})
    found += pod_spec(f"{path}.spec", spec)
    if spec.get("ephemeralContainers"):
        text = "ephemeral containers not allowed in pod template"
        found.append(causes.forbidden(f"{path}.spec.ephemeralContainers", text))
    return found


def pod_spec(path: str, spec: Json) -> list[Cause]:
    found = volumerules.volumes(f"{path}.volumes", spec.get("volumes") or [])
    found += containerrules.containers(path, spec)
    found += containerrules.init_containers(path, spec)
    found += containerrules.ephemeral_containers(path, spec)
    found += resourcerules.resources(f"{path}.resources", spec.get("resources"))
    found += rules.required_one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), RESTART_POLICIES)
    found += rules.required_one_of(f"{path}.dnsPolicy", spec.get("dnsPolicy"), DNS_POLICIES)
    found += rules.labels(f"{path}.nodeSelector", spec.get("nodeSelector"))
    found += _security(path, spec)
    for index, reference in enumerate(spec.get("imagePullSecrets") or ()):
        if not reference.get("name"):
            found.append(causes.required(f"{path}.imagePullSecrets[{index}].name"))
    found += schedulingrules.affinity(f"{path}.affinity", spec.get("affinity"))
    found += _dns_config(f"{path}.dnsConfig", spec)
    found += _gates(path, spec)
    found += schedulingrules.spreading(f"{path}.topologySpreadConstraints", spec.get("topologySpreadConstraints") or [])
    found += _names(path, spec)
    found += schedulingrules.tolerations(f"{path}.tolerations", spec.get("tolerations") or [])
    return found + _host_aliases(f"{path}.hostAliases", spec.get("hostAliases") or [])


def _names(path: str, spec: Json) -> list[Cause]:
    found: list[Cause] = []
    for field, rule in (
        ("serviceAccountName", names.dns_subdomain),
        ("nodeName", names.dns_subdomain),
        ("hostname", names.dns_label),
        ("subdomain", names.dns_label),
        ("priorityClassName", names.dns_subdomain),
        ("runtimeClassName", names.dns_subdomain),
    ):
        if value := spec.get(field):
            found += rules.all_invalid(f"{path}.{field}", value, rule(value))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _LARGEST_INT:
        text = names.between(1, _LARGEST_INT)
        found.append(causes.invalid(f"{path}.activeDeadlineSeconds", deadline, text))
    policy = spec.get("preemptionPolicy")
    if policy is not None:
        found += rules.one_of(f"{path}.preemptionPolicy", policy, ("PreemptLowerPriority", "Never"))
    return found


def _security(path: str, spec: Json) -> list[Cause]:
    context, here = spec.get("securityContext") or {}, f"{path}.securityContext"
    found: list[Cause] = []
    for field in ("fsGroup", "runAsUser", "runAsGroup"):
        found += containerrules.user_id(f"{here}.{field}", context.get(field))
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        found += containerrules.user_id(f"{here}.supplementalGroups[{index}]", group)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        found.append(causes.invalid(f"{path}.shareProcessNamespace", True, text))
    found += containerrules.seccomp(f"{here}.seccompProfile", context.get("seccompProfile"))
    change = context.get("fsGroupChangePolicy")
    if change is not None:
        found += rules.one_of(f"{here}.fsGroupChangePolicy", change, ("OnRootMismatch", "Always"))
    seen: set[str] = set()
    for index, sysctl in enumerate(context.get("sysctls") or ()):
        name = sysctl.get("name", "")
        if not name:
            found.append(causes.required(f"{here}.sysctls[{index}].name"))
        elif name in seen:
            found.append(causes.duplicate(f"{here}.sysctls[{index}].name", name))
        seen.add(name)
    return found


def _dns_config(path: str, spec: Json) -> list[Cause]:
    config = spec.get("dnsConfig")
    if config is None:
        if spec.get("dnsPolicy") != "None":
            return []
        return [causes.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    found: list[Cause] = []
    if spec.get("dnsPolicy") == "None" and not servers:
        text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        found.append(causes.required(f"{path}.nameservers", text))
    if len(servers) > 3:
        found.append(causes.invalid(f"{path}.nameservers", servers, "must not have more than 3 nameservers"))
    for index, server in enumerate(servers):
        found += rules.all_invalid(f"{path}.nameservers[{index}]", server, names.ip_address(server))
    if len(searches) > 32:
        found.append(causes.invalid(f"{path}.searches", searches, "must not have more than 32 search paths"))
    for index, domain in enumerate(searches):
        if domain != ".":
            wrong = names.dns_subdomain(domain.removesuffix(".").replace("_", "-"))
            found += rules.all_invalid(f"{path}.searches[{index}]", domain, wrong)
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            found.append(causes.required(f"{path}.options[{index}]", "must not be empty"))
    return found


def _gates(path: str, spec: Json) -> list[Cause]:
    found: list[Cause] = []
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        kind = gate.get("conditionType", "")
        found += rules.all_invalid(f"{path}.readinessGates[{index}].conditionType", kind, names.qualified_name(kind))
    seen: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        name = gate.get("name", "")
        if name in seen:
            found.append(causes.duplicate(f"{path}.schedulingGates[{index}].name", name))
        seen.add(name)
        found += rules.all_invalid(f"{path}.schedulingGates[{index}].name", name, names.qualified_name(name))
    return found


def _host_aliases(path: str, aliases: list[Json]) -> list[Cause]:
    found: list[Cause] = []
    for index, alias in enumerate(aliases):
        address = alias.get("ip", "")
        found += rules.all_invalid(f"{path}[{index}].ip", address, names.ip_address(address))
        for number, name in enumerate(alias.get("hostnames") or ()):
            found += rules.all_invalid(f"{path}[{index}].hostnames[{number}]", name, names.dns_subdomain(name))
    return found


# ---- changes ----


def pod_update(new: Json, old: Json) -> list[Cause]:
    """Findings about the change of a Pod's spec."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    for field in ("containers", "initContainers"):
        if len(spec.get(field) or ()) != len(before.get(field) or ()):
            return [causes.forbidden(f"spec.{field}", "pod updates may not add or remove containers")]
    found = _deadline(spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds"))
    found += _only_added_tolerations(spec.get("tolerations") or [], before.get("tolerations") or [])
    found += _only_removed_gates(spec.get("schedulingGates") or [], before.get("schedulingGates") or [])
    if differing := _differences("spec", _with_updatable(spec, before), before):
        shown = "\n".join(f"  {path}: {causes.shown(was)} → {causes.shown(now)}" for path, was, now in differing)
        found.append(causes.forbidden("spec", f"{_UPDATABLE}\n{shown}\n"))
    return found


def _deadline(new: int | None, old: int | None) -> list[Cause]:
    path = "spec.activeDeadlineSeconds"
    if new is None:
        text = "must not update from a positive integer to nil value"
        return [] if old is None else [causes.invalid(path, None, text)]
    if not 0 <= new <= _LARGEST_INT:
        return [causes.invalid(path, new, names.between(0, _LARGEST_INT))]
    if old is not None and old < new:
        return [causes.invalid(path, new, "must be less than or equal to previous value")]
    return []


def _only_added_tolerations(new: list[Json], old: list[Json]) -> list[Cause]:
    def same(toleration: Json) -> Json:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    kept = [same(toleration) for toleration in new]
    if all(same(toleration) in kept for toleration in old):
        return []
    text = "existing toleration can not be modified except its tolerationSeconds"
    return [causes.forbidden("spec.tolerations", text)]


def _only_removed_gates(new: list[Json], old: list[Json]) -> list[Cause]:
    before = {gate.get("name") for gate in old}
    return [
        causes.forbidden(
            f"spec.schedulingGates[{index}].name",
            f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'",
        )
        for index, gate in enumerate(new)
        if gate.get("name") not in before
    ]


def _with_updatable(spec: Json, before: Json) -> Json:
    """The new spec with all that may change put back: what still differs may not change."""
    out = copy.deepcopy(spec)
    for field in ("containers", "initContainers"):
        for container, was in zip(out.get(field) or (), before.get(field) or (), strict=True):
            container["image"] = was.get("image", "")
    fields = ["activeDeadlineSeconds", "tolerations", "schedulingGates", "ephemeralContainers"]
    if before.get("terminationGracePeriodSeconds", 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        fields.append("terminationGracePeriodSeconds")
    if before.get("schedulingGates"):
        fields += ["nodeSelector", "affinity"]
    for field in fields:
        out.pop(field, None)
        if field in before:
            out[field] = before[field]
    return out


def _differences(path: str, new: Any, old: Any) -> list[tuple[str, Any, Any]]:
    """(path, old, new) of all that differs; absent and empty are the same."""
    if (new or None) == (old or None):
        return []
    if isinstance(new, dict) and isinstance(old, dict):
        keys = list(dict.fromkeys((*old, *new)))
        return [d for key in keys for d in _differences(f"{path}.{key}", new.get(key), old.get(key))]
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [d for i, (n, o) in enumerate(zip(new, old, strict=True)) for d in _differences(f"{path}[{i}]", n, o)]
    return [(path, old, new)]


def ephemeral_update(new: Json, old: Json) -> list[Cause]:
    """An update of the subresource ephemeralcontainers: containers may be added, nothing else."""
    path = "spec.ephemeralContainers"
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    found = containerrules.ephemeral_containers("spec", spec)
    now = {container.get("name"): container for container in spec.get("ephemeralContainers") or ()}
    for container in before.get("ephemeralContainers") or ():
        name = container.get("name", "")
        if name not in now:
            found.append(causes.forbidden(path, f'existing ephemeral containers "{name}" may not be removed\n'))
        elif now[name] != container:
            found.append(causes.forbidden(path, f'existing ephemeral containers "{name}" may not be changed\n'))
    return found


def status_update(new: Json, old: Json) -> list[Cause]:
    """What the kubelet may not say of a Pod."""
    found: list[Cause] = []
    policy = (new.get("spec") or {}).get("restartPolicy")
    now, before = new.get("status") or {}, old.get("status") or {}
    if policy in ("Never", "OnFailure"):
        found += _no_resurrection(now.get("containerStatuses") or [], before.get("containerStatuses") or [], policy)
    for index, entry in enumerate(now.get("podIPs") or ()):
        found += rules.all_invalid(
            f"status.podIPs[{index}]", entry.get("ip", ""), names.ip_address(entry.get("ip", ""))
        )
    return found


def _no_resurrection(now: list[Json], before: list[Json], policy: str) -> list[Cause]:
    """A container that has ended for good does not run again."""
    ended = {}
    for status in before:
        terminated = (status.get("state") or {}).get("terminated")
        if terminated is not None and not (policy == "OnFailure" and terminated.get("exitCode", 0)):
            ended[status.get("name")] = True
    text = "may not be transitioned to non-terminated state"
    return [
        causes.forbidden(f"status.containerStatuses[{index}].state", text)
        for index, status in enumerate(now)
        if status.get("name") in ended and "terminated" not in (status.get("state") or {})
    ]
