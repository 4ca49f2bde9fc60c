"""What a simulated Pod is said to use: what its annotations say, and nothing where they say nothing. Pure.

Nothing runs in it, so nothing can be measured; its metrics carry a label that says so.
"""

from __future__ import annotations

from collections.abc import Mapping

from podling.api.kinds.core.pod import Pod
from podling.api.quantity import BadQuantity, parse
from podling.apiserver.metricsapi.readings import Usage

LABEL = "podling.dev/simulated"
CPU, MEMORY = "podling.dev/simulated-cpu", "podling.dev/simulated-memory"
"""Annotations of a Pod: what each of its containers is said to use."""
OLDER_LABEL = "podling/simulated"
WINDOW = 15.0


def is_simulated(node_labels: Mapping[str, str]) -> bool:
    return "true" in (node_labels.get(LABEL), node_labels.get(OLDER_LABEL))


def usage_of(pod: Pod) -> Usage:
    """Of each container."""
    annotations = pod.metadata.annotations
    return Usage(_amount(annotations.get(CPU)), int(_amount(annotations.get(MEMORY))), WINDOW)


def _amount(text: str | None) -> float:
    try:
        return max(0.0, float(parse(text))) if text else 0.0
    except BadQuantity:
        return 0.0
