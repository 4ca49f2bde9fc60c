"""Label selectors as controllers use them, on typed views."""

from __future__ import annotations

from collections.abc import Mapping

from podling.api.kinds.meta import LabelSelector, LabelSelectorRequirement
from podling.api.objects import Object
from podling.client.indexed import Lister


def matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """An empty selector matches everything."""
    if not selector.match_labels.items() <= labels.items():
        return False
    return all(_holds(requirement, labels) for requirement in selector.match_expressions)


def select(lister: Lister, namespace: str, selector: LabelSelector) -> list[Object]:
    """The objects of a namespace that the selector matches, by the label index."""
    found = lister.selected(namespace, selector.match_labels)
    return [each for each in found if matches(selector, each.head.labels)] if selector.match_expressions else found


def _holds(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
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
    return False
