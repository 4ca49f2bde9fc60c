"""What a Pod counts for while other amounts are wished for it than it has."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podling.api.kinds.core.pod import Pod
from podling.scheduler.facts import facts_of


def pod(condition: dict[str, str] | None, allotted: str, given: str) -> Pod:
    """It wishes for 2 CPUs and 1Gi."""
    status: dict[str, Any] = {
        "conditions": [condition] if condition else [],
        "containerStatuses": [
            {
                "name": "c",
                "allocatedResources": {"cpu": allotted, "memory": "1Gi"},
                "resources": {"requests": {"cpu": given, "memory": "1Gi"}},
            }
        ],
    }
    wished = {"requests": {"cpu": "2", "memory": "1Gi"}}
    spec = {"nodeName": "n1", "containers": [{"name": "c", "resources": wished}, {"name": "new"}]}
    return msgspec.convert({"metadata": {"name": "p", "uid": "u"}, "spec": spec, "status": status}, Pod)


@pytest.mark.parametrize(
    ("condition", "allotted", "given", "counted"),
    [
        (None, "1", "1", 2000),
        ({"type": "PodResizePending", "reason": "Deferred"}, "1", "1", 2000),
        ({"type": "PodResizePending", "reason": "Infeasible"}, "1", "1", 1000),
        ({"type": "PodResizeInProgress"}, "2", "3", 3000),
        ({"type": "Ready"}, "1", "4", 2000),
    ],
)
def test_the_largest_of_wish_allotment_and_possession_counts(
    condition: dict[str, str] | None, allotted: str, given: str, counted: int
) -> None:
    facts = facts_of("default/p", pod(condition, allotted, given))
    assert facts.requests == {"cpu": counted, "memory": 1 << 30}
