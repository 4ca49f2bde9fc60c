"""All workload controllers with the real API server, on virtual time, while everything fails now and then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from podling.client.resources import CRONJOBS, DAEMONSETS, DEPLOYMENTS, JOBS, PODS, REPLICASETS, STATEFULSETS
from podling.client.transport import Resource
from podling.runtime.fake import Course, Ending
from podling.testing.scenarios import ROUGH, items
from podling.testing.simulation import Simulation
from podling.testing.virtualtime import run

Json = dict[str, Any]
APPS = {"rolling": DEPLOYMENTS, "recreated": DEPLOYMENTS, "numbered": STATEFULSETS, "everywhere": DAEMONSETS}
KINDS = {DEPLOYMENTS: "Deployment", STATEFULSETS: "StatefulSet", DAEMONSETS: "DaemonSet"}


def workload(resource: Resource, name: str, **spec: Any) -> Json:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": containers("v1")}
    whole = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": KINDS[resource], "metadata": {"name": name}, "spec": whole}


def containers(image: str, **more: Any) -> Json:
    return {"containers": [{"name": "c", "image": image}], **more}


def job(name: str, **spec: Any) -> Json:
    template = {"metadata": {"labels": {"app": name}}, "spec": containers("work", restartPolicy="Never")}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template, **spec}}


async def of_app(simulation: Simulation, name: str) -> list[Json]:
    return [each for each in await items(simulation.rest, PODS) if each["metadata"]["labels"]["app"] == name]


def is_ready(pod: Json) -> bool:
    held = pod["status"].get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in held)


async def watch(simulation: Simulation, seconds: float, least: int) -> None:
    """Six Pods roll with a quarter of surge and of unavailability; the recreated never mix."""
    deadline = simulation.env.monotonic() + seconds
    while simulation.env.monotonic() < deadline:
        await simulation.env.sleep(0.2)
        sets = [
            each for each in await items(simulation.rest, REPLICASETS) if each["metadata"]["labels"]["app"] == "rolling"
        ]
        assert sum(each["spec"]["replicas"] for each in sets) <= 8
        active = [each for each in await of_app(simulation, "rolling") if not each["metadata"].get("deletionTimestamp")]
        assert len(active) <= 8
        assert sum(is_ready(each) for each in active) >= least
        assert len({each["spec"]["containers"][0]["image"] for each in await of_app(simulation, "recreated")}) <= 1
        names = Counter(each["metadata"]["name"] for each in await of_app(simulation, "numbered"))
        assert names.keys() <= {"numbered-0", "numbered-1", "numbered-2"}


async def rest(simulation: Simulation) -> list[str]:
    """What the controllers still write when nothing fails any more and nothing happens."""
    simulation.calm()
    await simulation.env.sleep(60)
    before = len(simulation.log)
    await simulation.env.sleep(60)
    return [line for line in simulation.log[before:] if "kube-controller-manager" in line]


@pytest.mark.parametrize("seed", range(2))
def test_rollouts_keep_their_limits_and_end_in_what_was_asked_for(seed: int) -> None:
    async def scenario() -> None:
        async with Simulation(seed, nodes=3, faults=ROUGH).running() as simulation:
            create = simulation.rest.create
            await create(DEPLOYMENTS, "default", workload(DEPLOYMENTS, "rolling", replicas=6))
            strategy = {"type": "Recreate"}
            await create(DEPLOYMENTS, "default", workload(DEPLOYMENTS, "recreated", replicas=3, strategy=strategy))
            await create(STATEFULSETS, "default", workload(STATEFULSETS, "numbered", replicas=3, serviceName="x"))
            await create(DAEMONSETS, "default", workload(DAEMONSETS, "everywhere"))
            await watch(simulation, 40, least=0)
            for image in ("v2", "v1", "v3"):
                for name, resource in APPS.items():
                    patch = {"spec": {"template": {"spec": containers(image)}}}
                    await simulation.rest.patch(resource, "default", name, patch)
                await watch(simulation, 1.5, least=5)
            await watch(simulation, 60, least=5)
            assert await rest(simulation) == []
            found = {name: await of_app(simulation, name) for name in APPS}
            assert {name: len(pods) for name, pods in found.items()} == {
                "rolling": 6,
                "recreated": 3,
                "numbered": 3,
                "everywhere": 3,
            }
            everybody = [pod for pods in found.values() for pod in pods]
            assert {pod["spec"]["containers"][0]["image"] for pod in everybody} == {"v3"}
            assert all(is_ready(pod) for pod in everybody)

    run(scenario())


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("code", "spec", "expected"),
    [
        (0, {"completions": 7, "parallelism": 3}, lambda status: status["succeeded"] == 7),
        (
            0,
            {"completions": 7, "parallelism": 3, "completionMode": "Indexed"},
            lambda status: status["completedIndexes"] == "0-6",
        ),
        (1, {"backoffLimit": 3}, lambda status: status["failed"] == 4),
    ],
    ids=["counted", "indexed", "failing"],
)
def test_a_job_counts_every_pod_once(seed: int, code: int, spec: Json, expected: Callable[[Json], bool]) -> None:
    async def scenario() -> None:
        course = Course(endings=(Ending(1.0, code),) * 9)
        async with Simulation(seed, nodes=2, faults=ROUGH, course=course).running() as simulation:
            await simulation.rest.create(JOBS, "default", job("work", **spec))
            await simulation.env.sleep(300)
            assert await rest(simulation) == []
            status = (await simulation.rest.get(JOBS, "default", "work")).object["status"]
            assert expected(status), status
            pods = await of_app(simulation, "work")
            assert len(pods) == status.get("succeeded", 0) + status.get("failed", 0)
            assert not any(pod["metadata"].get("finalizers") for pod in pods)
            held = {each["type"] for each in status["conditions"] if each["status"] == "True"}
            assert ("Failed" if code else "Complete") in held

    run(scenario())


@pytest.mark.parametrize("seed", range(2))
def test_a_cronjob_makes_one_job_a_minute(seed: int) -> None:
    async def scenario() -> None:
        course = Course(endings=(Ending(5.0),) * 99)
        async with Simulation(seed, faults=ROUGH, course=course).running() as simulation:
            spec = {"schedule": "* * * * *", "jobTemplate": {"spec": job("x")["spec"]}, "concurrencyPolicy": "Forbid"}
            tick = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"}, "spec": spec}
            await simulation.rest.create(CRONJOBS, "default", tick)
            await simulation.env.sleep(8 * 60)
            posted = [line for line in simulation.log if "POST /apis/batch/v1/namespaces/default/jobs " in line]
            assert sum("-> 201" in line for line in posted) == 8
            assert [each["status"].get("succeeded") for each in await items(simulation.rest, JOBS)] == [1, 1, 1]
            status = (await simulation.rest.get(CRONJOBS, "default", "tick")).object["status"]
            assert status["lastScheduleTime"] <= status["lastSuccessfulTime"]

    run(scenario())
