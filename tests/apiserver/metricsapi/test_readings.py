"""Rates from running totals."""

from __future__ import annotations

from typing import Any

import pytest

from podling.apiserver.metricsapi.readings import Sample, Total, Usage, between, sample_of
from podling.env import rfc3339

KEY = ("uid", "main")
T = 1_700_000_000.0


def used(before: Total | None, after: Total, *, began: float = T, ended: float = T + 10) -> Usage | None:
    first = Sample(began, {KEY: before} if before is not None else {})
    return between(first, Sample(ended, {KEY: after})).containers.get(KEY)


def test_a_rate_is_what_was_used_between_two_samples() -> None:
    assert used(Total(T - 100, 5.0, 10), Total(T - 100, 10.0, 20)) == Usage(0.5, 20, 10.0)


def test_a_new_container_is_measured_from_its_start() -> None:
    assert used(None, Total(T + 6, 2.0, 20)) == Usage(0.5, 20, 4.0)


def test_a_restarted_container_counts_anew() -> None:
    assert used(Total(T - 100, 50.0, 10), Total(T + 5, 1.0, 20)) == Usage(0.2, 20, 5.0)


@pytest.mark.parametrize("since", [T - 500, T + 9.5], ids=["seen once only", "a moment old"])
def test_what_cannot_be_told_yet_is_left_out(since: float) -> None:
    assert used(None, Total(since, 2.0, 20)) is None


def summary(cpu: float, node: dict[str, Any] | None = None) -> dict[str, Any]:
    container = {
        "name": "main",
        "startTime": rfc3339(T - 100),
        "cpu": {"usageCoreNanoSeconds": int(cpu * 1e9)},
        "memory": {"workingSetBytes": 4096},
    }
    return {"node": node or {}, "pods": [{"podRef": {"uid": "uid"}, "containers": [container]}]}


def test_a_summary_becomes_a_reading_and_the_node_is_the_sum_of_its_containers() -> None:
    reading = between(sample_of(summary(1.0), T), sample_of(summary(3.0), T + 4))
    assert reading.containers == {KEY: Usage(0.5, 4096, 4.0)}
    assert reading.node == Usage(0.5, 4096, 4.0)


def test_a_node_that_counts_for_itself_is_believed_also_after_its_kubelet_was_restarted() -> None:
    def whole(cpu: float, started: float) -> dict[str, Any]:
        counted = {"usageCoreNanoSeconds": int(cpu * 1e9)}
        return {"startTime": rfc3339(started), "cpu": counted, "memory": {"workingSetBytes": 9000}}

    before, after = summary(1.0, whole(50.0, T - 99)), summary(3.0, whole(58.0, T + 3))
    assert between(sample_of(before, T), sample_of(after, T + 4)).node == Usage(2.0, 9000, 4.0)
