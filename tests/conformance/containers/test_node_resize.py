"""sig-node: other requests and limits for containers that run, as the kernel enforces them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.containers.pods import log
from tests.conformance.containers.test_node_subpaths import WAIT, running
from tests.conformance.kube import Json, Kube, conditions, eventually
from tests.conformance.operations import refused
from tests.e2e.harness import Cluster

LIMITS = """
cd /sys/fs/cgroup
if [ -e cpu.max ]; then cat cpu.max memory.max; else cat cpu/cpu.cfs_quota_us memory/memory.limit_in_bytes; fi
"""
MEBI = 1 << 20


def amounts(cpu: str = "", memory: str = "", cpu_limit: str = "", memory_limit: str = "") -> Json:
    """`resources` of a container."""
    sides = {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu_limit, "memory": memory_limit}}
    told = {side: {name: text for name, text in given.items() if text} for side, given in sides.items()}
    return {side: given for side, given in told.items() if given}


def pod(resources: list[Json], *restarting: str) -> Json:
    """A Pod `p` of one container for each, called c1, c2 …; `restarting` are the resources whose change restarts."""
    policy = [{"resourceName": name, "restartPolicy": "RestartContainer"} for name in restarting]
    containers = [
        {
            "name": f"c{number}",
            "image": "host:1",
            "command": ["sh", "-c", WAIT],
            "resources": each,
            "resizePolicy": policy,
        }
        for number, each in enumerate(resources, 1)
    ]
    return {"metadata": {"name": "p"}, "spec": {"terminationGracePeriodSeconds": 1, "containers": containers}}


def patch(resources: list[Json]) -> Json:
    return {"spec": {"containers": [{"name": f"c{n}", "resources": each} for n, each in enumerate(resources, 1)]}}


def resized(kube: Kube, namespace: str, wanted: list[Json]) -> Json:
    """The Pod once its status tells these resources and no resize is under way."""

    def done(found: Json) -> bool:
        statuses = {each["name"]: each for each in found["status"].get("containerStatuses", ())}
        told = [statuses.get(f"c{n}", {}).get("resources", {}) for n in range(1, len(wanted) + 1)]
        ready = conditions(found).get("Ready") == "True"
        return told == wanted and ready and not {"PodResizePending", "PodResizeInProgress"} & conditions(found).keys()

    return kube.at("v1/pods", namespace).until("p", done)


def enforced(cluster: Cluster, namespace: str, container: str) -> list[str]:
    """The CPU quota in microseconds of 100 ms and the memory limit in bytes, as the container's own group has them."""
    words = ("-n", namespace, "exec", "p", "-c", container, "--", "sh", "-c", LIMITS)
    told = cluster.kubectl(*words).ok().out.split()
    return [told[0], told[-1]]


def restarts(found: Json) -> list[int]:
    return [each["restartCount"] for each in found["status"]["containerStatuses"]]


@pytest.mark.conformance(
    "[sig-node] Pod InPlace Resize Container burstable pods - extended 6 containers - various operations performed "
    "(including adding limits and requests) [MinimumKubeletVersion:1.34] [Conformance]"
)
def test_containers_are_resized_together(kube: Kube, namespace: str, cluster: Cluster) -> None:
    before = [
        {},
        amounts(cpu="20m"),
        amounts(memory="20Mi"),
        amounts(cpu="20m", memory="20Mi", cpu_limit="40m"),
        amounts(cpu="20m", memory="20Mi", memory_limit="60Mi"),
        amounts(cpu="20m", memory="20Mi", cpu_limit="40m", memory_limit="80Mi"),
    ]
    after = [
        amounts(cpu="10m", memory="10Mi", cpu_limit="30m", memory_limit="50Mi"),
        amounts(cpu="30m", cpu_limit="50m"),
        amounts(memory="30Mi", memory_limit="64Mi"),
        amounts(cpu="10m", memory="30Mi", cpu_limit="20m"),
        amounts(cpu="30m", memory="10Mi", memory_limit="96Mi"),
        amounts(cpu="10m", memory="30Mi", cpu_limit="60m", memory_limit="56Mi"),
    ]
    pods = kube.at("v1/pods", namespace)
    pods.create(pod(before))
    resized(kube, namespace, before)
    pods.patch("p", patch(after), "strategic-merge", "resize")
    done = resized(kube, namespace, after)
    assert restarts(done) == [0] * 6
    assert [each.get("allocatedResources") for each in done["status"]["containerStatuses"]] == [
        each["requests"] for each in after
    ]
    assert enforced(cluster, namespace, "c1") == ["3000", str(50 * MEBI)]
    assert enforced(cluster, namespace, "c2")[0] == "5000"
    assert enforced(cluster, namespace, "c3")[1] == str(64 * MEBI)
    assert enforced(cluster, namespace, "c6") == ["6000", str(56 * MEBI)]
    assert done["status"]["observedGeneration"] == done["metadata"]["generation"] == 2
    pods.delete("p", gracePeriodSeconds=0)


@pytest.mark.conformance(
    "[sig-node] Pod InPlace Resize Container burstable pods - extended resize with equivalents "
    "[MinimumKubeletVersion:1.34] [Conformance]"
)
def test_amounts_below_the_kernels_smallest_are_told_as_they_are_wished(
    kube: Kube, namespace: str, cluster: Cluster
) -> None:
    before, after = [amounts(cpu="2m", cpu_limit="10m")], [amounts(cpu="1m", cpu_limit="5m")]
    pods = kube.at("v1/pods", namespace)
    pods.create(pod(before))
    resized(kube, namespace, before)
    assert enforced(cluster, namespace, "c1")[0] == "1000"
    pods.patch("p", patch(after), "strategic-merge", "resize")
    done = resized(kube, namespace, after)
    assert (restarts(done), enforced(cluster, namespace, "c1")[0]) == ([0], "1000")
    pods.patch("p", patch([amounts(cpu="0.001", cpu_limit="0.005")]), "strategic-merge", "resize")
    assert restarts(resized(kube, namespace, after)) == [0]
    pods.delete("p", gracePeriodSeconds=0)


@pytest.mark.conformance(
    "[sig-node] Pod InPlace Resize Container resize pod via the replace endpoint [MinimumKubeletVersion:1.34] "
    "[Conformance]"
)
def test_a_pod_is_resized_by_a_replacement(kube: Kube, namespace: str, cluster: Cluster) -> None:
    pods = kube.at("v1/pods", namespace)
    before = amounts(cpu="20m", memory="20Mi", cpu_limit="40m", memory_limit="64Mi")
    after = amounts(cpu="30m", memory="30Mi", cpu_limit="60m", memory_limit="96Mi")
    pods.create(pod([before]))
    resized(kube, namespace, [before])
    assert enforced(cluster, namespace, "c1") == ["4000", str(64 * MEBI)]

    def grow(found: Json) -> None:
        found["spec"]["containers"][0]["resources"] = after

    pods.change("p", grow, "resize")
    assert restarts(resized(kube, namespace, [after])) == [0]
    assert enforced(cluster, namespace, "c1") == ["6000", str(96 * MEBI)]
    pods.delete("p", gracePeriodSeconds=0)


def test_a_container_begins_anew_where_its_policy_says_so(kube: Kube, namespace: str, cluster: Cluster) -> None:
    pods = kube.at("v1/pods", namespace)
    before, after = amounts(memory="20Mi", memory_limit="64Mi"), amounts(memory="20Mi", memory_limit="96Mi")
    pods.create(pod([before], "memory") | {"metadata": {"name": "p"}})
    resized(kube, namespace, [before])
    pods.patch("p", patch([after]), "strategic-merge", "resize")
    assert restarts(resized(kube, namespace, [after])) == [1]
    assert enforced(cluster, namespace, "c1")[1] == str(96 * MEBI)
    told = [event["message"] for event in kube.at("v1/events", namespace).items(fieldSelector="reason=Killing")]
    assert "Container c1 resize requires restart" in told
    pods.delete("p", gracePeriodSeconds=0)


def pending(found: Json) -> Any:
    return next((each for each in found["status"]["conditions"] if each["type"] == "PodResizePending"), None)


def test_what_the_node_does_not_have_is_told_and_what_it_was_given_stays(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    before = amounts(cpu="20m", memory="20Mi")
    pods.create(pod([before]))
    resized(kube, namespace, [before])
    pods.patch("p", patch([amounts(cpu="1000")]), "strategic-merge", "resize")
    told = pending(pods.until("p", pending))
    assert (told["status"], told["reason"]) == ("True", "Infeasible")
    assert told["message"].startswith("Node didn't have enough capacity: cpu, requested: 1000000, capacity: ")
    assert pods.get("p")["status"]["containerStatuses"][0]["allocatedResources"] == before["requests"]
    pods.patch("p", patch([before]), "strategic-merge", "resize")
    eventually(lambda: not pending(pods.get("p")))
    answer = refused(lambda: pods.patch("p", patch([{"requests": {"cpu": None}}]), "strategic-merge", "resize"))
    assert answer.code == 422 and "resource requests cannot be removed" in answer.message
    pods.delete("p", gracePeriodSeconds=0)


def test_less_memory_than_is_used_is_tried_until_there_is_less_in_use(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    before, after = amounts(memory="64Mi", memory_limit="128Mi"), amounts(memory="16Mi", memory_limit="32Mi")
    body = pod([before])
    eating = "import sys, time; x = bytearray(60 << 20); print(1, flush=True); time.sleep(1.5); del x; time.sleep(1000)"
    body["spec"]["containers"][0]["command"] = ["python3", "-c", eating]
    pods.create(body)
    pods.until("p", running)
    eventually(lambda: log(kube, namespace, "p", "c1"))
    pods.patch("p", patch([after]), "strategic-merge", "resize")

    def failing(found: Json) -> bool:
        told = {each["type"]: each.get("reason") for each in found["status"]["conditions"]}
        return told.get("PodResizeInProgress") == "Error"

    pods.until("p", failing)
    assert restarts(resized(kube, namespace, [after])) == [0]
    pods.delete("p", gracePeriodSeconds=0)
