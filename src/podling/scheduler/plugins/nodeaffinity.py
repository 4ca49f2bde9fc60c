"""NodeAffinity: nodeSelector and required node affinity refuse, preferred affinity scores."""

from __future__ import annotations

from collections.abc import Mapping

from podling.api.kinds.core.podspec import PodSpec
from podling.api.kinds.core.scheduling import NodeSelector, NodeSelectorRequirement, NodeSelectorTerm
from podling.scheduler.plugin import Cause, Plugin, Refusal, up_to_highest
from podling.scheduler.snapshot import NodeFacts, PodFacts

REFUSAL = Refusal(("node(s) didn't match Pod's node affinity/selector",), helpless=True)


def prepare(facts: PodFacts) -> PodSpec | None:
    return facts.pod.spec if wants(facts.pod.spec) else None


def wants(spec: PodSpec) -> bool:
    """It says anything about nodes."""
    return bool(spec.node_selector) or (spec.affinity is not None and spec.affinity.node_affinity is not None)


def refuse(spec: PodSpec, node: NodeFacts) -> Refusal | None:
    labels = node.node.metadata.labels
    if any(labels.get(key) != value for key, value in spec.node_selector.items()):
        return REFUSAL
    affinity = spec.affinity.node_affinity if spec.affinity is not None else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity is not None else None
    if required is not None and not any(_matches(term, labels, node.name) for term in required.node_selector_terms):
        return REFUSAL
    return None


def selects(selector: NodeSelector, node: NodeFacts) -> bool:
    """One of its terms matches the node."""
    return any(_matches(term, node.labels, node.name) for term in selector.node_selector_terms)


def score(spec: PodSpec, node: NodeFacts) -> float:
    affinity = spec.affinity.node_affinity if spec.affinity is not None else None
    preferred = affinity.preferred_during_scheduling_ignored_during_execution if affinity is not None else ()
    labels = node.node.metadata.labels
    return float(sum(each.weight for each in preferred if _matches(each.preference, labels, node.name)))


def _matches(term: NodeSelectorTerm, labels: Mapping[str, str], name: str) -> bool:
    """A term without requirements matches nothing."""
    if not term.match_expressions and not term.match_fields:
        return False
    fields = {"metadata.name": name}
    return all(_holds(each, labels) for each in term.match_expressions) and all(
        _holds(each, fields) for each in term.match_fields
    )


def _holds(requirement: NodeSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(value, requirement)
    return False


def _compares(value: str | None, requirement: NodeSelectorRequirement) -> bool:
    try:
        actual, wanted = int(value or ""), int(requirement.values[0])
    except (ValueError, IndexError):
        return False
    return actual > wanted if requirement.operator == "Gt" else actual < wanted


PLUGIN = Plugin("NodeAffinity", prepare, refuse, score, up_to_highest, weight=2, heeds=Cause.NODE)
