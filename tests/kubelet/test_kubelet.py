"""The kubelet as a whole: what a user sees of Pods on a node, on virtual time."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from podling.client.resources import CONFIGMAPS, LEASES, NODES, PODS, SECRETS
from podling.runtime.fake import Course, Ending
from tests.kubelet.world import NODE, phase, ready, waiting, world

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


def restarts(pod: dict[str, Any]) -> int:
    count: int = pod["status"].get("containerStatuses", [{}])[0].get("restartCount", 0)
    return count


async def test_a_node_registers_and_keeps_its_lease(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node():
        await w.env.sleep(25)
        node = (await w.admin.get(NODES, "", NODE)).object
        lease = (await w.admin.get(LEASES, "kube-node-lease", NODE)).object
        assert node["metadata"]["labels"]["kubernetes.io/hostname"] == NODE
        assert {c["type"]: c["status"] for c in node["status"]["conditions"]}["Ready"] == "True"
        assert node["status"]["nodeInfo"]["containerRuntimeVersion"] == "fake://simulated"
        assert lease["spec"]["holderIdentity"] == NODE
        assert lease["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"]
        revision = node["metadata"]["resourceVersion"]
        await w.env.sleep(60)
        again = (await w.admin.get(NODES, "", NODE)).object
        assert again["metadata"]["resourceVersion"] == revision, "an idle node writes no status"


async def test_a_deleted_node_registers_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node():
        await w.env.sleep(1)
        await w.admin.delete(NODES, "", NODE)
        await w.admin.delete(LEASES, "kube-node-lease", NODE)
        await w.env.sleep(20)
        assert (await w.admin.get(NODES, "", NODE)).code == 200


async def test_a_pod_becomes_ready_and_tells_its_story(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node():
        await w.create()
        pod = await w.until(ready)
        assert pod["status"]["phase"] == "Running"
        assert pod["status"]["podIP"].startswith("10.244.0.")
        assert await w.events() == [
            "Normal Simulated This Pod is simulated: its containers run no process",
            'Normal Pulling Pulling image "app"',
            'Normal Pulled Successfully pulled image "app" in 100ms (100ms including waiting). Image size: 0 bytes.',
            "Normal Created Container created",
            "Normal Started Container started",
        ]


async def test_a_pod_that_comes_up_quickly_costs_few_writes(tmp_path: Path) -> None:
    async with world(tmp_path, Course(pull=0.0)) as w, w.node():
        made = await w.create()
        pod = await w.until(ready)
        listing = await w.admin.transport.list(PODS)
        revisions = [int(made["metadata"]["resourceVersion"]), listing.items[0].revision]
        async with w.admin.transport.watch(PODS, since=revisions[0]) as batches:
            seen = []
            async for batch in batches:
                seen += [event.object.revision for event in batch]
                if seen[-1] >= revisions[1]:
                    break
        assert len(seen) == 1
        assert ready(pod)


async def test_a_deleted_pod_is_stopped_reported_and_gone(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node():
        await w.create()
        await w.until(ready)
        await w.admin.delete(PODS, "default", "web")
        last = await w.until(phase("Failed"))
        assert last["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 143
        await w.until_gone()
        assert await w.runtime.list() == ((), ())
        await w.env.sleep(1)
        assert list((w.state / "pods").iterdir()) == []
        assert "Normal Killing Stopping container main" in await w.events()


async def test_a_pod_deleted_by_force_is_ended_too(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node():
        await w.create()
        await w.until(ready)
        await w.admin.delete(PODS, "default", "web", grace=0)
        await w.until_gone()
        await w.env.sleep(3)
        assert await w.runtime.list() == ((), ())


async def test_a_pod_deleted_while_its_image_is_pulled_goes_at_once(tmp_path: Path) -> None:
    async with world(tmp_path, Course(pull=1000.0)) as w, w.node():
        await w.create()
        await w.until(waiting("ContainerCreating"))
        await w.admin.delete(PODS, "default", "web")
        before = w.env.monotonic()
        await w.until_gone()
        assert w.env.monotonic() - before < 1


async def test_a_crashing_container_restarts_with_growing_pauses(tmp_path: Path) -> None:
    async with world(tmp_path, Course(endings=(Ending(1, 1), Ending(1, 2), Ending(1, 3)))) as w, w.node():
        await w.create()
        crashed = await w.until(waiting("CrashLoopBackOff"))
        assert restarts(crashed) == 1
        message = crashed["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
        assert message.startswith("back-off 10s restarting failed container=main pod=web_default(")
        assert not ready(crashed)
        before = w.env.monotonic()
        await w.until(lambda pod: restarts(pod) == 2)
        assert w.env.monotonic() - before == pytest.approx(10, abs=0.5)
        last = await w.until(lambda pod: restarts(pod) == 3 and ready(pod))
        assert w.env.monotonic() - before == pytest.approx(31, abs=1)
        assert last["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 3
        assert any(
            event.startswith("Warning BackOff Back-off restarting failed container main") for event in await w.events()
        )


async def test_a_pod_that_never_restarts_succeeds_or_fails(tmp_path: Path) -> None:
    async with world(tmp_path, Course(endings=(Ending(1, 0),)), bad=Course(endings=(Ending(1, 7),))) as w, w.node():
        await w.create(restartPolicy="Never")
        await w.create("bad", restartPolicy="Never", containers=[{"name": "main", "image": "bad"}])
        done = await w.until(phase("Succeeded"))
        failed = await w.until(phase("Failed"), "bad")
        assert done["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"
        assert failed["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 7
        await w.env.sleep(1)
        sandboxes, _ = await w.runtime.list()
        assert not any(sandbox.ready for sandbox in sandboxes)


async def test_init_containers_come_first_and_sidecars_stay(tmp_path: Path) -> None:
    async with world(tmp_path, setup=Course(endings=(Ending(5, 0),))) as w, w.node():
        await w.create(initContainers=[{"name": "mesh", "image": "app", "restartPolicy": "Always"},
                                       {"name": "setup", "image": "setup"}])  # fmt: skip
        early = await w.until(waiting("PodInitializing"))
        assert early["status"]["phase"] == "Pending"
        pod = await w.until(ready)
        mesh, setup = pod["status"]["initContainerStatuses"]
        assert "running" in mesh["state"]
        assert setup["state"]["terminated"]["reason"] == "Completed"


async def test_an_image_that_cannot_be_pulled_says_so_and_backs_off(tmp_path: Path) -> None:
    async with world(tmp_path, Course(pull_failure="connection refused")) as w, w.node():
        await w.create()
        failed = await w.until(waiting("ErrImagePull"))
        assert failed["status"]["containerStatuses"][0]["state"]["waiting"]["message"] == "connection refused"
        backing = await w.until(waiting("ImagePullBackOff"))
        words = 'Back-off pulling image "app": ErrImagePull: connection refused'
        assert backing["status"]["containerStatuses"][0]["state"]["waiting"]["message"] == words
        told = await w.events()
        assert [event for event in told if "pull" in event.lower()][-4:] == [
            'Warning Failed Failed to pull image "app": connection refused',
            "Warning Failed Error: ErrImagePull",
            'Normal BackOff Back-off pulling image "app"',
            "Warning Failed Error: ImagePullBackOff",
        ]


async def test_a_command_that_is_not_there_is_a_start_error(tmp_path: Path) -> None:
    async with world(tmp_path, Course(start_failure='exec: "x": executable file not found in $PATH')) as w, w.node():
        await w.create()
        pod = await w.until(waiting("CrashLoopBackOff"))
        ended = pod["status"]["containerStatuses"][0]["lastState"]["terminated"]
        assert (ended["reason"], ended["exitCode"]) == ("StartError", 128)
        assert "executable file not found" in ended["message"]
        assert 'Warning Failed Error: exec: "x": executable file not found in $PATH' in await w.events()


async def test_a_missing_config_map_delays_the_container_until_it_is_there(tmp_path: Path) -> None:
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "x"}}}]
    async with world(tmp_path) as w, w.node():
        await w.create(containers=[{"name": "main", "image": "app", "env": env}])
        pod = await w.until(waiting("CreateContainerConfigError"))
        message = pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
        assert message == 'configmap "settings" not found'
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"x": "1"}}
        before = w.env.monotonic()
        await w.admin.create(CONFIGMAPS, "default", body)
        await w.until(ready)
        assert w.env.monotonic() - before < 1


async def test_volumes_follow_their_sources(tmp_path: Path) -> None:
    volumes = [{"name": "v", "secret": {"secretName": "hidden"}}]
    container = {"name": "main", "image": "app", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hidden"}}
    async with world(tmp_path) as w, w.node():
        made = await w.create(volumes=volumes, containers=[container])
        await w.env.sleep(2)
        assert (
            'Warning FailedMount MountVolume.SetUp failed for volume "v" : secret "hidden" not found'
            in await w.events()
        )
        await w.admin.create(SECRETS, "default", secret | {"data": {"key": base64.b64encode(b"one").decode()}})
        await w.until(ready)
        file = w.state / "pods" / made["metadata"]["uid"] / "volumes/v/key"
        assert file.read_text() == "one"
        patch = {"data": {"key": base64.b64encode(b"two").decode()}}
        await w.admin.patch(SECRETS, "default", "hidden", patch)
        await w.env.sleep(1)
        assert file.read_text() == "two"


async def test_every_pod_gets_a_token_that_is_renewed(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node():
        made = await w.create()
        await w.until(ready)
        [folder] = (w.state / "pods" / made["metadata"]["uid"] / "volumes").iterdir()
        token = (folder / "token").read_text()
        assert (folder / "ca.crt").read_text() == "the authority"
        assert (folder / "namespace").read_text() == "default"
        await w.env.sleep(2900)
        assert (folder / "token").read_text() != token


async def test_a_deadline_ends_the_pod_as_failed(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node():
        await w.create(activeDeadlineSeconds=5)
        pod = await w.until(phase("Failed"))
        assert pod["status"]["reason"] == "DeadlineExceeded"
        assert pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"


async def test_a_volume_that_outgrows_its_limit_evicts_the_pod(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node():
        made = await w.create(volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}])
        await w.until(ready)
        folder = w.state / "pods" / made["metadata"]["uid"] / "volumes/v"
        (folder / "small").write_bytes(b"x" * 100_000)
        await w.env.sleep(25)
        assert ready(await w.pod())
        (folder / "large").write_bytes(b"x" * 2_000_000)
        pod = await w.until(phase("Failed"))
        assert pod["status"]["reason"] == "Evicted"
        assert pod["status"]["message"] == 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '


async def test_a_container_that_writes_more_than_it_may_evicts_the_pod(tmp_path: Path) -> None:
    limits = {"limits": {"ephemeral-storage": "1Mi"}}
    async with world(tmp_path, Course(written=2 << 20)) as w, w.node():
        await w.create(containers=[{"name": "main", "image": "app", "resources": limits}])
        pod = await w.until(phase("Failed"))
        why = "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "
        assert (pod["status"]["reason"], pod["status"]["message"]) == ("Evicted", why)
        assert f"Warning Evicted {why}" in await w.events()


async def test_an_ephemeral_container_joins_a_running_pod_and_is_never_restarted(tmp_path: Path) -> None:
    async with world(tmp_path, debug=Course(endings=(Ending(1, 3),))) as w, w.node():
        await w.create()
        await w.until(ready)
        added = {"spec": {"ephemeralContainers": [{"name": "dbg", "image": "debug", "targetContainerName": "main"}]}}
        await w.admin.patch(PODS, "default", "web", added, kind="strategic-merge", subresource="ephemeralcontainers")
        await w.env.sleep(20)
        pod = await w.pod()
        [status] = pod["status"]["ephemeralContainerStatuses"]
        assert status["state"]["terminated"]["exitCode"] == 3
        assert (status["restartCount"], ready(pod)) == (0, True)


async def test_a_new_image_of_a_running_pod_replaces_its_container(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node():
        await w.create()
        await w.until(ready)
        patch = {"spec": {"containers": [{"name": "main", "image": "other"}]}}
        await w.admin.patch(PODS, "default", "web", patch, kind="strategic-merge")
        pod = await w.until(lambda pod: restarts(pod) == 1 and ready(pod))
        assert pod["status"]["containerStatuses"][0]["image"] == "docker.io/library/other:latest"
        assert "Normal Killing Container main definition changed, will be restarted" in await w.events()


async def test_a_newborn_kubelet_takes_running_pods_over(tmp_path: Path) -> None:
    """SIGKILL of the node process: nothing restarts, nothing is written."""
    async with world(tmp_path) as w:
        async with w.node():
            await w.create()
            before = await w.until(ready)
        async with w.node():
            await w.env.sleep(5)
            after = await w.pod()
            assert after == before


async def test_a_newborn_kubelet_keeps_restart_counts_and_pauses(tmp_path: Path) -> None:
    async with world(tmp_path, Course(endings=tuple(Ending(1, n) for n in (1, 2, 3)))) as w:
        async with w.node():
            await w.create()
            before = await w.until(waiting("CrashLoopBackOff"))
        await w.env.sleep(2)
        started = w.env.monotonic()
        async with w.node():
            await w.env.sleep(1)
            pod = await w.pod()
            assert pod["status"]["containerStatuses"] == before["status"]["containerStatuses"]
            assert pod["status"]["podIP"] == before["status"]["podIP"]
            await w.until(lambda pod: restarts(pod) == 2)
            assert w.env.monotonic() - started == pytest.approx(8, abs=0.5)


async def test_a_container_that_ends_while_no_kubelet_runs_is_restarted_by_the_next(tmp_path: Path) -> None:
    async with world(tmp_path, Course(endings=(Ending(3, 9),))) as w:
        async with w.node():
            await w.create()
            await w.until(ready)
        await w.env.sleep(5)
        async with w.node():
            pod = await w.until(lambda pod: restarts(pod) == 1 and ready(pod))
            assert pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 9


async def test_pods_that_vanished_from_the_api_are_ended_by_the_next_kubelet(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async with w.node():
            made = await w.create()
            await w.until(ready)
        await w.admin.delete(PODS, "default", "web", grace=0)
        async with w.node():
            await w.env.sleep(3)
            assert await w.runtime.list() == ((), ())
            assert not (w.state / "pods" / made["metadata"]["uid"]).exists()


async def test_pods_come_back_with_new_addresses_after_the_runtime_lost_everything(tmp_path: Path) -> None:
    """The cluster was stopped and started."""
    async with world(tmp_path) as w:
        async with w.node():
            await w.create()
            await w.create("job", restartPolicy="Never")
            await w.until(ready)
            await w.until(ready, "job")
        for sandbox in (await w.runtime.list())[0]:
            await w.runtime.remove_sandbox(sandbox.id)
        async with w.node():
            pod = await w.until(lambda pod: restarts(pod) == 1 and ready(pod))
            job = await w.until(phase("Failed"), "job")
            assert pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137
            assert job["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "ContainerStatusUnknown"


async def test_fifty_pods_become_ready_together(tmp_path: Path) -> None:
    async with world(tmp_path, Course(pull=0.0)) as w, w.node():
        for number in range(50):
            await w.create(f"p{number}")
        for number in range(50):
            await w.until(ready, f"p{number}")
        addresses = {(await w.pod(f"p{number}"))["status"]["podIP"] for number in range(50)}
        assert len(addresses) == 50
