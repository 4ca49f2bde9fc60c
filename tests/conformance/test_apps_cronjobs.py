"""sig-apps: Jobs by the clock, in a world whose time runs sixty times as fast, so that a schedule's minute is a second.

Everything that asks what time it is asks that clock: API server, controllers, scheduler and kubelet; nothing else is
different from the other tests.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Iterator
from typing import Any

import pytest

from podling.env import SystemEnv
from tests.conformance.kube import Json, Kube, eventually, names
from tests.conformance.world import World

CRONJOB = "[sig-apps] CronJob should"
PACE = 60
"""How much faster time runs."""


class _Hurry(selectors.DefaultSelector):  # type: ignore[misc, valid-type, unused-ignore]
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found: list[tuple[selectors.SelectorKey, int]] = super().select(None if timeout is None else timeout / PACE)
        return found


class HurriedLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        super().__init__(_Hurry())

    def time(self) -> float:
        return super().time() * PACE


class HurriedEnv(SystemEnv):
    """The wall clock of a loop: right when it began, and then as quick as the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop, self._offset = loop, super().now() - loop.time()

    def now(self) -> float:
        return self._offset + self._loop.time()

    def monotonic(self) -> float:
        return self._loop.time()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    loop = HurriedLoop()
    found = World(nodes=1, env=HurriedEnv(loop), loop=loop)
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def kube(world: World) -> Kube:
    return world.user("kubernetes-admin", ["system:masters"])


def create(kube: Kube, namespace: str, policy: str, **more: Any) -> None:
    """A Job that never ends, at every minute."""
    containers = [{"name": "c", "image": "runs"}]
    job = {"template": {"spec": {"restartPolicy": "Never", "containers": containers}}}
    spec = {"schedule": "*/1 * * * *", "concurrencyPolicy": policy, "jobTemplate": {"spec": job}, **more}
    kube.at("batch/v1/cronjobs", namespace).create({"metadata": {"name": "tick"}, "spec": spec})


def active(kube: Kube, namespace: str) -> list[str]:
    found = kube.at("batch/v1/cronjobs", namespace).get("tick")
    return [each["name"] for each in (found.get("status") or {}).get("active", ())]


def jobs(kube: Kube, namespace: str) -> list[Json]:
    return kube.at("batch/v1/jobs", namespace).items()


def minutes(number: float) -> None:
    """What must not come is given that long to come."""
    time.sleep(number * 60 / PACE)


@pytest.mark.conformance(f"{CRONJOB} not schedule jobs when suspended [Conformance] [Slow]")
def test_what_is_suspended_makes_no_jobs(kube: Kube, namespace: str) -> None:
    create(kube, namespace, "Allow", suspend=True)
    minutes(3)
    assert (jobs(kube, namespace), active(kube, namespace)) == ([], [])
    # That none came is worth something only where they come otherwise.
    kube.at("batch/v1/cronjobs", namespace).patch("tick", {"spec": {"suspend": False}})
    eventually(lambda: jobs(kube, namespace))


@pytest.mark.conformance(f"{CRONJOB} not schedule new jobs when ForbidConcurrent [Conformance] [Slow]")
def test_a_job_that_runs_forbids_the_next(kube: Kube, namespace: str) -> None:
    create(kube, namespace, "Forbid")
    eventually(lambda: len(active(kube, namespace)) == 1)
    minutes(3)
    (only,) = jobs(kube, namespace)
    assert active(kube, namespace) == [only["metadata"]["name"]]
    told = [each["reason"] for each in kube.at("v1/events", namespace).items()]
    assert "JobAlreadyActive" in told


@pytest.mark.conformance(f"{CRONJOB} replace jobs when ReplaceConcurrent [Conformance]")
def test_a_job_is_replaced_by_the_next(kube: Kube, namespace: str) -> None:
    create(kube, namespace, "Replace")
    eventually(lambda: len(active(kube, namespace)) == 1)
    (first,) = active(kube, namespace)
    eventually(lambda: active(kube, namespace) not in ([], [first]))
    eventually(lambda: first not in names(jobs(kube, namespace)))
    assert len(active(kube, namespace)) == 1


@pytest.mark.conformance(f"{CRONJOB} schedule multiple jobs concurrently [Conformance]")
def test_jobs_run_side_by_side(kube: Kube, namespace: str) -> None:
    create(kube, namespace, "Allow")
    eventually(lambda: len(active(kube, namespace)) >= 2)
    running = [each for each in jobs(kube, namespace) if each.get("status", {}).get("active") == 1]
    assert len(running) >= 2
