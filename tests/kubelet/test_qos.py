"""Requests and limits as cgroup settings."""

from __future__ import annotations

from typing import Any

import pytest

from podling.kubelet.qos import cgroup_of, qos_class, resources_of
from podling.runtime.interface import Resources
from tests.kubelet.pods import pod

GIB = 1 << 30
FULL = {"cpu": "500m", "memory": "128Mi"}


def with_resources(*resources: dict[str, Any]) -> Any:
    return pod({"containers": [{"name": f"c{i}", "image": "app", "resources": r} for i, r in enumerate(resources)]})


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"limits": FULL, "requests": FULL}], "Guaranteed"),
        ([{"limits": FULL}], "Guaranteed"),
        ([{"limits": {"cpu": "0.5", "memory": "134217728"}, "requests": FULL}], "Guaranteed"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": FULL}, {}], "Burstable"),
        ([{"limits": FULL, "requests": {"cpu": "100m", "memory": "128Mi"}}], "Burstable"),
    ],
)
def test_the_quality_of_service(resources: list[dict[str, Any]], expected: str) -> None:
    assert qos_class(with_resources(*resources)) == expected


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, Resources(cpu_shares=2, oom_score_adj=1000)),
        ({"limits": FULL}, Resources(128 << 20, 512, 50_000)),
        ({"requests": {"cpu": "2", "memory": "1Gi"}}, Resources(cpu_shares=2048, oom_score_adj=750)),
        (
            {"requests": {"cpu": "1m"}, "limits": {"cpu": "5m"}},
            Resources(cpu_shares=2, cpu_quota=1000, oom_score_adj=999),
        ),
    ],
)
def test_resources_of_a_container(resources: dict[str, Any], expected: Resources) -> None:
    wanted = with_resources(resources)
    assert resources_of(wanted, wanted.spec.containers[0], 4 * GIB) == expected


def test_cgroups_are_named_by_quality_and_uid() -> None:
    assert cgroup_of(with_resources({})) == "besteffort/poduid-1"
    assert cgroup_of(with_resources({"limits": FULL})) == "poduid-1"
