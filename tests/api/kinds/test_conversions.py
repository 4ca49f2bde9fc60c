"""Other versions say the same: what comes back from the hub is what went in, with its defaults."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from podling.api.catalog import Resource
from tests.api.kinds import objects

Json = dict[str, Any]

names = st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
labels = st.dictionaries(names, names, min_size=1, max_size=3)
containers = st.lists(
    st.fixed_dictionaries(
        {"name": names, "image": names},
        optional={
            "ports": st.lists(st.fixed_dictionaries({"containerPort": st.integers(1, 65535)}), max_size=2),
            "env": st.lists(st.fixed_dictionaries({"name": names, "value": names}), max_size=2),
            "livenessProbe": st.fixed_dictionaries({"tcpSocket": st.just({"port": 80})}),
        },
    ),
    min_size=1,
    max_size=2,
)


def metadata(required: Json | None = None) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(
        {"name": names, **(required or {})}, optional={"labels": labels, "annotations": labels}
    )


pod_specs = st.fixed_dictionaries({"containers": containers}, optional={"nodeSelector": labels})
templates = st.fixed_dictionaries({"metadata": st.fixed_dictionaries({"labels": labels}), "spec": pod_specs})
counts = st.integers(0, 9)
common = {"selector": st.fixed_dictionaries({"matchLabels": labels}), "template": templates}
SPECS = {
    "ReplicaSet": st.fixed_dictionaries(common, optional={"replicas": counts, "minReadySeconds": counts}),
    "Deployment": st.fixed_dictionaries(
        common,
        optional={
            "replicas": counts,
            "strategy": st.sampled_from([{"type": "Recreate"}, {"type": "RollingUpdate"}, {}]),
            "paused": st.booleans(),
        },
    ),
    "DaemonSet": st.fixed_dictionaries(
        common, optional={"updateStrategy": st.sampled_from([{"type": "OnDelete"}, {}]), "minReadySeconds": counts}
    ),
    "StatefulSet": st.fixed_dictionaries(
        {**common, "serviceName": names}, optional={"replicas": counts, "podManagementPolicy": st.just("Parallel")}
    ),
}


@st.composite
def workloads(draw: st.DrawFn) -> Json:
    kind = draw(st.sampled_from(sorted(SPECS)))
    out = {"apiVersion": "apps/v1beta2", "kind": kind, "metadata": draw(metadata()), "spec": draw(SPECS[kind])}
    return out | draw(st.sampled_from([{}, {"status": {"replicas": 1}}]))


revisions = st.fixed_dictionaries(
    {
        "apiVersion": st.just("apps/v1beta2"),
        "kind": st.just("ControllerRevision"),
        "metadata": metadata(),
        "revision": counts,
        "data": labels,
    }
)
cpu = st.fixed_dictionaries({"averageUtilization": st.integers(1, 100)})
pods_metric = {
    "type": "Pods",
    "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "1"}},
}
kept_texts = st.dictionaries(
    st.sampled_from(["note", "autoscaling.alpha.kubernetes.io/metrics"]),
    st.sampled_from([json.dumps([pods_metric], separators=(",", ":")), "no json", "[]", ""]),
    min_size=1,
)
autoscalers = st.fixed_dictionaries(
    {
        "apiVersion": st.just("autoscaling/v1"),
        "kind": st.just("HorizontalPodAutoscaler"),
        "metadata": st.fixed_dictionaries({"name": names}, optional={"annotations": kept_texts}),
        "spec": st.fixed_dictionaries(
            {"maxReplicas": counts, "scaleTargetRef": st.just({"kind": "Deployment", "name": "web"})},
            optional={"minReplicas": counts, "targetCPUUtilizationPercentage": st.integers(1, 100)},
        ),
    },
    optional={
        "status": st.fixed_dictionaries(
            {"currentReplicas": counts, "desiredReplicas": counts},
            optional={"currentCPUUtilizationPercentage": st.integers(0, 100)},
        )
    },
)
events = st.fixed_dictionaries(
    {
        "apiVersion": st.just("events.k8s.io/v1"),
        "kind": st.just("Event"),
        "metadata": metadata(),
        "regarding": labels,
        "reason": names,
    },
    optional={
        "note": names,
        "type": names,
        "eventTime": names,
        "reportingController": names,
        "reportingInstance": names,
        "deprecatedCount": counts,
        "deprecatedSource": labels,
        "deprecatedFirstTimestamp": names,
    },
)


def there_and_back(obj: Json) -> None:
    entry = objects.resource(obj["apiVersion"], obj["kind"])
    conversion = entry.conversion
    assert conversion is not None
    defaulted = copy.deepcopy(obj)
    conversion.default(defaulted)
    before = copy.deepcopy(defaulted)
    hub = conversion.to_hub(defaulted)
    assert hub["apiVersion"] == entry.declaration.api_version
    assert conversion.from_hub(hub) == before
    assert defaulted == before, "a conversion must not change what it is given"


@given(workloads())
def test_apps_v1beta2_comes_back_as_it_went(obj: Json) -> None:
    there_and_back(obj)


@given(revisions)
def test_a_controller_revision_comes_back_as_it_went(obj: Json) -> None:
    there_and_back(obj)


@given(autoscalers)
def test_autoscaling_v1_comes_back_as_it_went(obj: Json) -> None:
    there_and_back(obj)


@given(events)
def test_a_new_event_comes_back_as_it_went(obj: Json) -> None:
    there_and_back(obj)


@given(workloads())
def test_apps_v1beta2_reads_as_apps_v1_with_the_same_defaults(obj: Json) -> None:
    old = objects.resource("apps/v1beta2", obj["kind"]).to_hub(copy.deepcopy(obj))
    new = objects.resource("apps/v1", obj["kind"]).to_hub(copy.deepcopy(obj) | {"apiVersion": "apps/v1"})
    assert old == new


def hpa(**spec: Any) -> Json:
    target = {"kind": "Deployment", "name": "web"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"maxReplicas": 5, "minReplicas": 1, "scaleTargetRef": target, **spec},
    }


def v1() -> Resource:
    return objects.resource("autoscaling/v1", "HorizontalPodAutoscaler")


def test_what_autoscaling_v1_cannot_say_survives_in_annotations() -> None:
    resource = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    behavior = {"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}], "selectPolicy": "Min"}}
    hub = hpa(metrics=[{"type": "Resource", "resource": resource}, pods_metric], behavior=behavior)
    old = v1().from_hub(hub)
    assert old["spec"]["targetCPUUtilizationPercentage"] == 50
    assert json.loads(old["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"]) == [pods_metric]
    conversion = v1().conversion
    assert conversion is not None
    assert conversion.to_hub(old) == hub


def test_an_event_is_told_in_the_newer_words() -> None:
    hub = objects.base("Event")
    told = objects.resource("events.k8s.io/v1", "Event").from_hub(hub)
    assert told["regarding"] == hub["involvedObject"]
    assert (told["note"], told["deprecatedCount"]) == (hub["message"], 3)
    assert "involvedObject" not in told
