"""On which nodes a DaemonSet's Pods belong: node selector, required affinity, and taints (documentation "DaemonSet").

A node that no longer takes new Pods keeps those it has unless a taint drives them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from podling.api.kinds.core.node import Node
from podling.api.kinds.core.podspec import PodSpec
from podling.api.kinds.core.scheduling import NodeSelectorRequirement, NodeSelectorTerm, Toleration
from podling.api.objects import Object
from podling.reconcile.tolerating import tolerated

_PRESSURES = ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
Json = dict[str, Any]


class Belongs(msgspec.Struct, frozen=True):
    run: bool
    stay: bool


def tolerations(host_network: bool) -> list[Json]:
    """What every Pod of a DaemonSet tolerates without being told."""
    out = [_toleration(name, "NoExecute") for name in ("not-ready", "unreachable")]
    out += [_toleration(name, "NoSchedule") for name in _PRESSURES]
    return [*out, _toleration("network-unavailable", "NoSchedule")] if host_network else out


def belongs(spec: PodSpec, node: Node) -> Belongs:
    """`spec` is the template's."""
    if spec.node_name not in ("", node.metadata.name) or not takes(spec, node):
        return Belongs(run=False, stay=False)
    hard = [taint for taint in node.spec.taints if taint.effect in ("NoSchedule", "NoExecute")]
    own = _OWN if spec.host_network else _OWN[:-1]
    untolerated = [taint for taint in hard if not tolerated(taint, (*spec.tolerations, *own))]
    return Belongs(run=not untolerated, stay=all(taint.effect != "NoExecute" for taint in untolerated))


def bound(spec: Json, node: str) -> Json:
    """The Pod's spec, made for one node: the scheduler will find no other."""
    affinity = dict(spec.get("affinity") or {})
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity["nodeAffinity"] = {
        **(affinity.get("nodeAffinity") or {}),
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]},
    }
    given = list(spec.get("tolerations") or ())
    known = {(each.get("key"), each.get("effect")) for each in given if each.get("operator") == "Exists"}
    added = tolerations(bool(spec.get("hostNetwork")))
    missing = [each for each in added if (each["key"], each["effect"]) not in known]
    return {**spec, "affinity": affinity, "tolerations": [*given, *missing]}


def same_place(old: Object, new: Object) -> bool:
    """Whether a node takes the same Pods as before."""
    before, after = old.view, new.view
    return bool(old.head.labels == new.head.labels and before.spec == after.spec)


def node_of(pod: Object) -> str:
    """Where a Pod is, or is made for."""
    spec: PodSpec = pod.view.spec
    if spec.node_name:
        return spec.node_name
    required = spec.affinity.node_affinity if spec.affinity is not None else None
    terms = required.required_during_scheduling_ignored_during_execution if required is not None else None
    for term in terms.node_selector_terms if terms is not None else ():
        for field in term.match_fields:
            if field.key == "metadata.name" and field.operator == "In" and len(field.values) == 1:
                return field.values[0]
    return ""


def _toleration(name: str, effect: str) -> Json:
    return {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": effect}


_OWN = tuple(msgspec.convert(each, Toleration) for each in tolerations(host_network=True))


def takes(spec: PodSpec, node: Node) -> bool:
    """Whether the Pod's selector and required affinity name this node."""
    labels = node.metadata.labels
    if not spec.node_selector.items() <= labels.items():
        return False
    affinity = spec.affinity.node_affinity if spec.affinity is not None else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity is not None else None
    return required is None or any(_term(each, node) for each in required.node_selector_terms)


def _term(term: NodeSelectorTerm, node: Node) -> bool:
    if not term.match_expressions and not term.match_fields:
        return False
    return _all(term.match_expressions, node.metadata.labels) and _all(
        term.match_fields, {"metadata.name": node.metadata.name}
    )


def _all(wanted: Iterable[NodeSelectorRequirement], values: Mapping[str, str]) -> bool:
    return all(_holds(each, values.get(each.key)) for each in wanted)


def _holds(wanted: NodeSelectorRequirement, value: str | None) -> bool:
    match wanted.operator:
        case "In":
            return value in wanted.values
        case "NotIn":
            return value not in wanted.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(wanted, value)
    return False


def _compares(wanted: NodeSelectorRequirement, value: str | None) -> bool:
    try:
        found, limit = int(value or ""), int(wanted.values[0])
    except (ValueError, IndexError):
        return False
    return found > limit if wanted.operator == "Gt" else found < limit
