"""What may be wrong with a Pod or a Pod template.

The spec is checked in upstream's order, so that messages come in the order kubectl users know.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import orjson

from podling.api import meta, names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.core import containerrules, likeness, resourcerules, schedulingrules, volumerules

Json = dict[str, Any]

RESTART_POLICIES: Final = ("Always", "OnFailure", "Never")
DNS_POLICIES: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
LARGEST_INT: Final = 2**31 - 1
_LONGEST_SYSCTL: Final = 253
_SYSCTL: Final = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"


def pod(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    data = likeness.template_of(spec)
    return [] if data is not None and _is_good(data) else pod_spec("spec", spec)


@lru_cache(maxsize=256)
def _is_good(data: bytes) -> bool:
    return not pod_spec("spec", orjson.loads(data))


def pod_create(obj: Json) -> list[Cause]:
    """What a new Pod must not have yet."""
    spec = obj.get("spec") or {}
    found: list[Cause] = []
    if spec.get("ephemeralContainers"):
        found.append(causes.forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        text = "cannot be set until all schedulingGates have been cleared"
        found.append(causes.forbidden("spec.nodeName", text))
    return found


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
    found += _system(f"{path}.os", spec.get("os"))
    found += _overhead(f"{path}.overhead", spec.get("overhead") or {})
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
    if deadline is not None and not 1 <= deadline <= LARGEST_INT:
        text = names.between(1, LARGEST_INT)
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
    if spec.get("hostUsers") is False:
        named = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
        found += [causes.forbidden(f"{path}.{name}", "when `hostUsers` is false") for name in named]
    found += containerrules.profile(f"{here}.seccompProfile", context.get("seccompProfile"), "seccomp")
    found += containerrules.profile(f"{here}.appArmorProfile", context.get("appArmorProfile"), "AppArmor")
    policy = context.get("supplementalGroupsPolicy")
    if policy is not None:
        found += rules.one_of(f"{here}.supplementalGroupsPolicy", policy, ("Merge", "Strict"))
    change = context.get("fsGroupChangePolicy")
    if change is not None:
        found += rules.one_of(f"{here}.fsGroupChangePolicy", change, ("OnRootMismatch", "Always"))
    seen: set[str] = set()
    for index, sysctl in enumerate(context.get("sysctls") or ()):
        name = sysctl.get("name", "")
        if not name:
            found.append(causes.required(f"{here}.sysctls[{index}].name"))
        elif len(name) > _LONGEST_SYSCTL or not re.fullmatch(_SYSCTL, name):
            text = f"must have at most {_LONGEST_SYSCTL} characters and match regex {_SYSCTL}"
            found.append(causes.invalid(f"{here}.sysctls[{index}].name", name, text))
        elif name in seen:
            found.append(causes.duplicate(f"{here}.sysctls[{index}].name", name))
        seen.add(name)
    return found


def _system(path: str, system: Json | None) -> list[Cause]:
    if system is None:
        return []
    if not system.get("name"):
        return [causes.required(f"{path}.name", "cannot be empty")]
    return rules.one_of(path, system["name"], ("linux", "windows"))


def _overhead(path: str, overhead: Json) -> list[Cause]:
    return [c for name, amount in overhead.items() for c in resourcerules.named_amount(f"{path}[{name}]", name, amount)]


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
