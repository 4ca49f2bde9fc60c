"""Other requests and limits for what runs: decided purely, and seen on a node on virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podling.api.kinds.core.container import ResourceRequirements
from podling.client.resources import PODS
from podling.kubelet.admission import allocatable, claim_of
from podling.kubelet.podstate import RESOURCES, Facts, Waiting, restarts
from podling.kubelet.podstatus import patch_between, status_of
from podling.kubelet.podsync import Kill, Resize, decide
from podling.reconcile.resizing import Refusal, refusal, same
from podling.runtime.fake import Course
from tests.kubelet.pods import NOW, ended, having, pod, run
from tests.kubelet.world import World, ready, world

HAS = allocatable({"cpu": "2", "memory": "1Gi", "pods": "10"})


def amounts(**requests: str) -> ResourceRequirements:
    return ResourceRequirements(requests=requests)


def asking(*policies: str, **requests: str) -> dict[str, Any]:
    policy = [{"resourceName": name, "restartPolicy": "RestartContainer"} for name in policies]
    return {
        "containers": [{"name": "main", "image": "app", "resources": {"requests": requests}, "resizePolicy": policy}]
    }


def test_amounts_are_compared_and_not_their_texts() -> None:
    assert same(amounts(cpu="1", memory="1Gi"), amounts(cpu="1000m", memory="1024Mi"))
    assert same(amounts(storage="1"), amounts(storage="2")), "only cpu and memory can be resized"
    assert not same(amounts(cpu="1"), amounts(cpu="2"))
    assert not same(amounts(cpu="1"), amounts())


def test_what_runs_is_given_what_is_allotted() -> None:
    facts = Facts(volumes_ready=True, allotted={"main": amounts(cpu="2")})
    steps = decide(pod(asking(cpu="2")), having(run(resources=amounts(cpu="1"))), facts, NOW).actions
    assert steps == (Resize("main", "main-0"),)
    assert decide(pod(asking(cpu="2")), having(run(resources=amounts(cpu="2"))), facts, NOW).actions == ()
    assert decide(pod(asking(cpu="2")), having(run()), facts, NOW).actions == (), "nobody remembers what it has"


def test_a_failed_change_is_tried_again_later() -> None:
    waiting = {"main": Waiting("Error", "in use", NOW, NOW + 5, 5)}
    facts = Facts(volumes_ready=True, allotted={"main": amounts(cpu="2")}, resizing=waiting)
    state = having(run(resources=amounts(cpu="1")))
    plan = decide(pod(asking(cpu="2")), state, facts, NOW)
    assert (plan.actions, plan.wake) == ((), NOW + 5)
    assert decide(pod(asking(cpu="2")), state, facts, NOW + 5).actions == (Resize("main", "main-0"),)


def test_a_container_that_wants_to_begin_anew_is_replaced_whatever_the_restart_policy() -> None:
    facts = Facts(volumes_ready=True, allotted={"main": amounts(memory="2Gi")})
    wanted = pod(asking("memory", memory="2Gi") | {"restartPolicy": "OnFailure"})
    [step] = decide(wanted, having(run(resources=amounts(memory="1Gi"))), facts, NOW).actions
    assert isinstance(step, Kill)
    assert (step.why, step.replace) == ("Container main resize requires restart", True)
    other = decide(wanted, having(run(resources=amounts(memory="2Gi", cpu="1"))), facts, NOW).actions
    assert other == (Resize("main", "main-0"),), "the policy is of another resource"
    assert restarts(wanted, wanted.spec.containers[0], ended(replaced=True))
    assert not restarts(wanted, wanted.spec.containers[0], ended())


@pytest.mark.parametrize(
    ("asked", "reason", "message"),
    [
        ({"cpu": "1"}, "", ""),
        ({"cpu": "3"}, "Infeasible", "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000"),
        (
            {"cpu": "1500m"},
            "Deferred",
            "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
        ),
    ],
)
def test_the_node_says_whether_it_has_it(asked: dict[str, str], reason: str, message: str) -> None:
    found = refusal(claim_of(pod(asking(**asked))).requests, [{"cpu": 1000}], HAS)
    assert (found.reason, found.message) == (reason, message) if found is not None else not reason


def test_the_status_tells_what_is_allotted_and_what_is_given() -> None:
    facts = Facts(allotted={"main": amounts(cpu="2")})
    said = status_of(pod(asking(cpu="2")), having(run(resources=amounts(cpu="1"))), facts, {}, "", "crun", NOW)
    [container] = said["containerStatuses"]
    assert container["allocatedResources"] == {"cpu": "2"}
    assert container["resources"] == {"requests": {"cpu": "1"}}
    assert "PodResizeInProgress" in [each["type"] for each in said["conditions"]]


def test_a_condition_that_holds_no_more_is_taken_away() -> None:
    state = having(run(resources=amounts(cpu="1")))
    pending = Facts(allotted={"main": amounts(cpu="1")}, pending=Refusal("Deferred", "later"))
    first = status_of(pod(asking(cpu="2")), state, pending, {}, "", "crun", NOW)
    [condition] = [each for each in first["conditions"] if each["type"] == "PodResizePending"]
    assert (condition["status"], condition["reason"], condition["message"]) == ("True", "Deferred", "later")
    later = status_of(pod(asking(cpu="1")), state, Facts(allotted=pending.allotted), first, "", "crun", NOW)
    patch = patch_between(first, later)
    assert patch is not None and patch["conditions"] == [{"type": "PodResizePending", "$patch": "delete"}]


async def resize(w: World, name: str = "web", **requests: str) -> None:
    body = {"spec": {"containers": [{"name": "main", "resources": {"requests": requests}}]}}
    await w.admin.patch(PODS, "default", name, body, kind="strategic-merge", subresource="resize")


def given(found: dict[str, Any]) -> Any:
    return found["status"]["containerStatuses"][0].get("resources", {}).get("requests")


def pending(found: dict[str, Any]) -> str:
    return next((c["reason"] for c in found["status"]["conditions"] if c["type"] == "PodResizePending"), "")


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_running_container_is_resized_and_its_run_remembers_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async with w.node():
            await w.create(**asking(cpu="100m", memory="1Mi"))
            await w.until(ready)
            await resize(w, cpu="200m", memory="1Mi")
            done = await w.until(lambda found: given(found) == {"cpu": "200m", "memory": "1Mi"})
            assert done["status"]["containerStatuses"][0]["restartCount"] == 0
            assert done["status"]["observedGeneration"] == done["metadata"]["generation"] == 2
            [container] = (await w.runtime.list())[1]
            assert '"cpu":"200m"' in container.labels[RESOURCES]
            told = [event.split(" ")[1] for event in await w.events()]
            assert told[-2:] == ["ResizeStarted", "ResizeCompleted"]
        async with w.node():
            await w.env.sleep(1)
            assert given(await w.pod()) == {"cpu": "200m", "memory": "1Mi"}


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_what_the_node_lacks_waits_for_others_to_leave_or_for_a_smaller_wish(tmp_path: Path) -> None:
    async with world(tmp_path, Course(pull=0.0)) as w, w.node():
        cpus = w.kubelet.books.has["cpu"] // 1000
        await w.create("other", **asking(cpu="500m"))
        await w.create(**asking(cpu="10m"))
        await w.until(ready, "other")
        await w.until(ready)
        await resize(w, cpu=str(cpus * 2))
        assert pending(await w.until(lambda found: bool(pending(found)))) == "Infeasible"
        await resize(w, cpu=str(cpus))
        waiting = await w.until(lambda found: pending(found) == "Deferred")
        assert given(waiting) == {"cpu": "10m"}
        await w.admin.delete(PODS, "default", "other")
        done = await w.until(lambda found: given(found) == {"cpu": str(cpus)})
        assert not pending(done)


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_newborn_kubelet_keeps_what_was_given_while_the_wish_waits(tmp_path: Path) -> None:
    async with world(tmp_path, Course(pull=0.0)) as w:
        async with w.node():
            await w.create(**asking(cpu="10m"))
            await w.until(ready)
            await resize(w, cpu="100000")
            await w.until(lambda found: pending(found) == "Infeasible")
        async with w.node():
            await w.env.sleep(1)
            found = await w.pod()
            assert (pending(found), given(found)) == ("Infeasible", {"cpu": "10m"})
            assert w.kubelet.books.others("") == (claim_of(pod(asking(cpu="10m"))),)


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_container_is_started_anew_where_its_policy_says_so(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node():
        await w.create(**asking("cpu", cpu="10m"), restartPolicy="OnFailure")
        await w.until(ready)
        await resize(w, cpu="20m")
        done = await w.until(lambda found: ready(found) and given(found) == {"cpu": "20m"})
        assert done["status"]["containerStatuses"][0]["restartCount"] == 1
