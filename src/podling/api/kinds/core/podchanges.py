"""What may be changed of a Pod: by an update, by the subresources, by its kubelet.

A running Pod may change little; everything else answers with the list of what may.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.core import containerrules
from podling.api.kinds.core.podqos import COUNTED, qos_class
from podling.api.kinds.core.podrules import LARGEST_INT, pod_spec

Json = dict[str, Any]

_UPDATABLE: Final = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod_update(new: Json, old: Json) -> list[Cause]:
    """Findings about the change of a Pod's spec."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    if spec == before:
        return []
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
    if not 0 <= new <= LARGEST_INT:
        return [causes.invalid(path, new, names.between(0, LARGEST_INT))]
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
    out = {**spec}
    for field in ("containers", "initContainers"):
        if field in spec:
            pairs = zip(spec[field] or (), before.get(field) or (), strict=True)
            out[field] = [{**container, "image": was.get("image", "")} for container, was in pairs]
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


def resize_update(new: Json, old: Json) -> list[Cause]:
    """An update of the subresource resize: cpu and memory of containers, within the Pod's quality of service."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    found = pod_spec("spec", spec)
    put_back = copy.deepcopy(spec)
    for field in ("containers", "initContainers"):
        if len(spec.get(field) or ()) != len(before.get(field) or ()):
            return [causes.forbidden(f"spec.{field}", "pod updates may not add or remove containers")]
        for index, (container, was) in enumerate(zip(put_back.get(field) or (), before.get(field) or (), strict=True)):
            if field == "containers" or was.get("restartPolicy") == "Always":
                found += _only_kept(f"spec.{field}[{index}].resources", container, was)
            elif (container.get("resources") or {}) != (was.get("resources") or {}):
                text = "resources for non-sidecar init containers are immutable"
                found.append(causes.forbidden(f"spec.{field}[{index}].resources", text))
            for name in ("resources", "resizePolicy"):
                container.pop(name, None)
                container.update({name: was[name]} if name in was else {})
    put_back["resources"] = before.get("resources")
    if differing := _differences("spec", put_back, before):
        shown = "\n".join(f"  {path}: {causes.shown(was)} → {causes.shown(now)}" for path, was, now in differing)
        found.append(causes.forbidden("spec", f"only cpu and memory resources are mutable\n{shown}\n"))
    if qos_class(spec) != (old.get("status") or {}).get("qosClass", qos_class(before)):
        text = "Pod QOS Class may not change as a result of resizing"
        found.append(causes.invalid("spec", qos_class(spec), text))
    return found


def _only_kept(path: str, new: Json, old: Json) -> list[Cause]:
    """Amounts of cpu and memory may be added and changed, but not taken away; of nothing else may they change."""
    found: list[Cause] = []
    for side in ("limits", "requests"):
        now, before = ((each.get("resources") or {}).get(side) or {} for each in (new, old))
        if any(name in before and name not in now for name in COUNTED):
            found.append(causes.forbidden(f"{path}.{side}", f"resource {side} cannot be removed"))
        if _others(now) != _others(before):
            found.append(causes.forbidden(f"{path}.{side}", "only cpu and memory resources are mutable"))
    return found


def _others(amounts: Json) -> Json:
    return {name: amount for name, amount in amounts.items() if name not in COUNTED}


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
