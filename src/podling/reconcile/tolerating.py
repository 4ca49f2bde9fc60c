"""Whether a Pod tolerates a taint (the documentation's "Taints and Tolerations")."""

from __future__ import annotations

from collections.abc import Iterable

from podling.api.kinds.core.node import Taint
from podling.api.kinds.core.scheduling import Toleration


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    match toleration.operator:
        case "" | "Equal":
            return toleration.value == taint.value
        case "Exists":
            return True
        case "Lt" | "Gt":
            return _compares(toleration, taint)
    return False


def tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    return any(tolerates(each, taint) for each in tolerations)


def _compares(toleration: Toleration, taint: Taint) -> bool:
    """Numeric operators: a value that is no integer never matches."""
    try:
        wanted, actual = int(toleration.value), int(taint.value)
    except ValueError:
        return False
    return actual < wanted if toleration.operator == "Lt" else actual > wanted
