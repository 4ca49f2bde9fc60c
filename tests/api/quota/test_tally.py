"""What a quota counts: each kind of object, scopes, and a tally that agrees with counting anew, whatever happens."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podling.api.kinds.core.persistentvolumeclaim import PersistentVolumeClaim
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.resourcequota import ResourceQuota
from podling.api.kinds.core.service import Service
from podling.api.quota.constraints import missing
from podling.api.quota.scopes import matches
from podling.api.quota.tally import Tally
from podling.api.quota.usage import CLAIMS, PODS, SERVICES, sources_of, usage_of

Json = dict[str, Any]
NOW = 1_700_000_000.0
CONFIGMAPS = ("", "configmaps")


def pod(requests: Json | None = None, limits: Json | None = None, **more: Any) -> Pod:
    resources = {"requests": requests or {}, "limits": limits or {}}
    spec = {"containers": [{"name": "c", "resources": resources}], **more.pop("spec", {})}
    return msgspec.convert({"spec": spec, **more}, Pod)


def quota(hard: Json, **spec: Any) -> ResourceQuota:
    return msgspec.convert({"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}}, ResourceQuota)


def said(source: tuple[str, str], view: Any) -> dict[str, str]:
    return {name: str(amount) for name, amount in usage_of(source, view, NOW).items()}


def test_a_pod_counts_what_it_asks_under_both_names() -> None:
    assert said(PODS, pod({"cpu": "100m", "example.com/gpu": "1"}, {"memory": "1Gi", "example.com/gpu": "1"})) == {
        "count/pods": "1",
        "pods": "1",
        "cpu": "100m",
        "requests.cpu": "100m",
        "requests.example.com/gpu": "1",
        "limits.memory": "1Gi",
    }


def test_init_containers_count_by_the_largest_and_sidecars_beside_the_others() -> None:
    def container(cpu: str, **more: Any) -> Json:
        return {"name": "x", "resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "containers": [container("1"), container("1")],
        "initContainers": [container("500m", restartPolicy="Always"), container("4")],
        "overhead": {"cpu": "100m"},
    }
    assert said(PODS, pod(spec=spec))["cpu"] == "4600m"


@pytest.mark.parametrize(
    ("spec", "counted"),
    [
        ({"type": "ClusterIP", "ports": [{"port": 1}]}, {}),
        ({"type": "NodePort", "ports": [{"port": 1}, {"port": 2}]}, {"services.nodeports": "2"}),
        (
            {"type": "LoadBalancer", "ports": [{"port": 1}], "allocateLoadBalancerNodePorts": False},
            {"services.nodeports": "0", "services.loadbalancers": "1"},
        ),
    ],
)
def test_services_count_ports_and_balancers(spec: Json, counted: Json) -> None:
    service = msgspec.convert({"spec": spec}, Service)
    assert said(SERVICES, service) == {"count/services": "1", "services": "1", **counted}


def test_claims_count_by_class_too() -> None:
    spec = {"storageClassName": "gold", "resources": {"requests": {"storage": "2Gi"}}}
    found = said(CLAIMS, msgspec.convert({"spec": spec}, PersistentVolumeClaim))
    assert found["requests.storage"] == found["gold.storageclass.storage.k8s.io/requests.storage"] == "2Gi"
    assert found["gold.storageclass.storage.k8s.io/persistentvolumeclaims"] == "1"


def test_the_names_of_a_quota_say_what_it_looks_at() -> None:
    hard = ["pods", "requests.cpu", "gold.storageclass.storage.k8s.io/requests.storage", "count/jobs.batch", "secrets"]
    assert sources_of(hard) == (("", "persistentvolumeclaims"), ("", "pods"), ("", "secrets"), ("batch", "jobs"))


def test_a_scope_excludes_what_knows_no_scopes() -> None:
    scoped = quota({"pods": "1"}, scopes=["BestEffort"])
    assert matches(scoped, PODS, pod()) and not matches(scoped, PODS, pod({"cpu": "1"}))
    assert not matches(scoped, CONFIGMAPS, None)
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["x"]}]}}
    crossing = quota({"pods": "1"}, scopes=["CrossNamespacePodAffinity"])
    assert matches(crossing, PODS, pod(spec={"affinity": affinity})) and not matches(crossing, PODS, pod())


@pytest.mark.parametrize(
    ("operator", "values", "name", "expected"),
    [
        ("In", ("high",), "high", True),
        ("In", ("high",), "", False),
        ("NotIn", ("high",), "low", True),
        ("Exists", (), "low", True),
        ("DoesNotExist", (), "low", False),
        ("DoesNotExist", (), "", True),
    ],
)
def test_a_scope_selector_reads_the_priority(operator: str, values: Any, name: str, expected: bool) -> None:
    demand = {"scopeName": "PriorityClass", "operator": operator, "values": values}
    selected = quota({"pods": "1"}, scopeSelector={"matchExpressions": [demand]})
    assert matches(selected, PODS, pod(spec={"priorityClassName": name})) is expected


def test_containers_that_say_nothing_are_named() -> None:
    spec = pod({"cpu": "1"}).spec
    assert missing(spec, {"requests.cpu", "limits.cpu", "limits.memory", "pods"}) == (
        "must specify limits.cpu for: c; limits.memory for: c"
    )
    whole = pod(spec={"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}).spec
    assert missing(whole, {"limits.cpu", "limits.memory"}) == ""


def test_a_pod_that_overstays_its_end_is_let_go_of() -> None:
    tally = Tally(quota({"pods": "1"}))
    leaving = {"metadata": {"deletionTimestamp": "2023-11-14T22:13:20Z", "deletionGracePeriodSeconds": 30}}
    tally.count("a", PODS, pod(**leaving), NOW)
    more = tally.more("b", tally.usage(PODS, pod(), NOW))
    tally.expire(NOW + 29)
    assert tally.exceeded(more)
    tally.expire(NOW + 31)
    assert not tally.exceeded(more)


_STEP = st.tuples(st.sampled_from(["count", "forget", "promise", "settle"]), st.sampled_from("abcd"), st.integers(0, 3))


@settings(max_examples=100)
@given(st.lists(_STEP, max_size=40))
def test_a_tally_agrees_with_counting_anew_whatever_happens(steps: list[tuple[str, str, int]]) -> None:
    tally = Tally(quota({"pods": "100", "requests.cpu": "100"}))
    counted: dict[str, int] = {}
    promised: dict[str, int] = {}
    for step, name, cpus in steps:
        view = pod({"cpu": str(cpus)})
        if step == "count":
            tally.count(name, PODS, view, NOW)
            counted[name] = cpus
        elif step == "forget":
            tally.forget(name)
            counted.pop(name, None)
        elif step == "promise":
            tally.promise(name, tally.usage(PODS, view, NOW))
            promised[name] = max(cpus, promised.get(name, 0))
        else:
            tally.settle(name)
            promised.pop(name, None)
    assert tally.used("pods").value == len(counted) + len(promised)
    assert tally.used("requests.cpu").value == sum(counted.values()) + sum(promised.values())
