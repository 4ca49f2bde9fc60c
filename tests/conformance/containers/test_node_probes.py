"""sig-node: probes against what really runs; the Pods are those of `probed.py`."""

from __future__ import annotations

import pytest

from podling.env import parse_rfc3339
from tests.conformance.containers.probed import DELAY, Probed, container, ready, restarts

# liveness


@pytest.mark.conformance(
    "[sig-node] Probing container should be restarted with a /healthz http liveness probe [Conformance]"
    " [NodeConformance]"
)
def test_a_server_whose_health_answers_500_is_restarted(probed: Probed) -> None:
    is_restarted(probed, "http-ill")


@pytest.mark.conformance(
    '[sig-node] Probing container should be restarted with a exec "cat /tmp/health" liveness probe [Conformance]'
    " [NodeConformance]"
)
def test_a_container_whose_command_fails_is_restarted(probed: Probed) -> None:
    is_restarted(probed, "exec-ill")


@pytest.mark.conformance(
    "[sig-node] Probing container should be restarted with a GRPC liveness probe [Conformance] [NodeConformance]"
)
@pytest.mark.parametrize("name", ["grpc-ill", "grpc-elsewhere"])
def test_a_server_that_says_not_serving_or_is_not_there_is_restarted(probed: Probed, name: str) -> None:
    is_restarted(probed, name)


def is_restarted(probed: Probed, name: str) -> None:
    *before, restarted = probed.history(name, lambda body: restarts(body) == 1)
    assert any("running" in container(body).get("state", {}) for body in before)
    assert "terminated" in container(restarted)["lastState"]
    assert restarted["metadata"]["uid"] == before[0]["metadata"]["uid"]


@pytest.mark.conformance(
    "[sig-node] Probing container should *not* be restarted with a /healthz http liveness probe [Conformance]"
    " [NodeConformance]"
)
def test_a_server_whose_health_answers_200_is_left_alone(probed: Probed) -> None:
    assert restarts(probed.asked("http-well")) == 0


@pytest.mark.conformance(
    '[sig-node] Probing container should *not* be restarted with a exec "cat /tmp/health" liveness probe [Conformance]'
    " [NodeConformance]"
)
def test_a_container_whose_command_succeeds_is_left_alone(probed: Probed) -> None:
    assert restarts(probed.asked("exec-well")) == 0


@pytest.mark.conformance(
    "[sig-node] Probing container should *not* be restarted with a tcp:8080 liveness probe [Conformance]"
    " [NodeConformance]"
)
def test_a_server_that_accepts_connections_is_left_alone(probed: Probed) -> None:
    assert restarts(probed.asked("tcp-well")) == 0


@pytest.mark.conformance(
    "[sig-node] Probing container should *not* be restarted with a GRPC liveness probe [Conformance] [NodeConformance]"
)
def test_a_server_that_says_serving_is_left_alone(probed: Probed) -> None:
    assert restarts(probed.asked("grpc-well")) == 0


# readiness


@pytest.mark.conformance(
    "[sig-node] Probing container with readiness probe should not be ready before initial delay and never restart"
    " [Conformance] [NodeConformance]"
)
def test_nothing_is_ready_before_the_initial_delay(probed: Probed) -> None:
    body = probed.history("late", ready)[-1]
    (since,) = (each["lastTransitionTime"] for each in body["status"]["conditions"] if each["type"] == "Ready")
    started = container(body)["state"]["running"]["startedAt"]
    assert parse_rfc3339(since) - parse_rfc3339(started) >= DELAY
    assert restarts(probed.asked("late")) == 0


@pytest.mark.conformance(
    "[sig-node] Probing container with readiness probe that fails should never be ready and never restart"
    " [Conformance] [NodeConformance]"
)
def test_a_container_whose_readiness_fails_is_never_ready(probed: Probed) -> None:
    now = probed.asked("never-ready")
    version = now["metadata"]["resourceVersion"]
    ever = probed.history("never-ready", lambda body: body["metadata"]["resourceVersion"] == version)
    assert not any(ready(body) or container(body).get("ready") for body in ever)
    assert now["status"]["phase"] == "Running" and restarts(now) == 0


# restart counts


@pytest.mark.conformance(
    "[sig-node] Probing container should have monotonically increasing restart count [Conformance] [NodeConformance]"
)
def test_restarts_are_counted_one_by_one(probed: Probed) -> None:
    counts = [restarts(body) for body in probed.history("again-and-again", lambda body: restarts(body) == 2)]
    known = [count for count in counts if count is not None]
    assert known == sorted(known)
    assert list(dict.fromkeys(known)) == [0, 1, 2]
