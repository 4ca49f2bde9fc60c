"""Every version that is not the hub's comes back from the hub as it went in, whatever its objects say."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podling.api.catalog import Catalog, Resource
from podling.api.schema import apply_defaults, check, load
from tests.api.kinds.objects import resource
from tests.api.schema.test_every_type import values

Json = dict[str, Any]
SCHEMAS = load()
SPOKES = [entry for entry in Catalog.load("book", schemas=SCHEMAS).resources if not entry.is_hub]
NAMED = [f"{entry.api_version} {entry.kind}" for entry in SPOKES]


@settings(max_examples=8, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("entry", SPOKES, ids=NAMED)
def test_what_comes_back_from_the_hub_is_what_went_in(entry: Resource, data: st.DataObject) -> None:
    type_ = SCHEMAS.kind(entry.group, entry.version, entry.kind)
    hub_type = SCHEMAS.kind(entry.declaration.group, entry.declaration.version, entry.kind)
    conversion = entry.conversion
    assert type_ is not None and hub_type is not None and conversion is not None
    made = check({"apiVersion": entry.api_version, "kind": entry.kind, **data.draw(values(type_))}, type_).value
    obj: Json = {**made, "metadata": {"name": "x"}}
    if entry.kind == "CustomResourceDefinition":
        obj["spec"] = definition(obj.get("spec") or {})
    apply_defaults(obj, type_)
    conversion.default(obj)
    before = copy.deepcopy(obj)
    hub = conversion.to_hub(obj)
    assert obj == before, "a conversion must not change what it is given"
    assert hub["apiVersion"] == entry.declaration.api_version
    assert check(copy.deepcopy(hub), hub_type).errors == (), "the hub has a place for all of it"
    again = conversion.from_hub(hub)
    assert without_nothing(again) == without_nothing(obj)


def definition(spec: Json) -> Json:
    """Without any version it says nothing, and what it says of all versions it must not say of one."""
    names = {"schema", "subresources", "additionalPrinterColumns", "selectableFields"}
    versions = [{k: v for k, v in each.items() if k not in names} for each in spec.get("versions") or ()]
    return {"version": "v1", **spec, "versions": versions}


def without_nothing(value: Any) -> Any:
    """An empty object, list or text is no more than none."""
    if isinstance(value, dict):
        inner = {key: without_nothing(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item is not None and item not in ({}, [], "")}
    return [without_nothing(item) for item in value] if isinstance(value, list) else value


TEMPLATE: Json = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


def hub_of(api_version: str, kind: str, spec: Json, **more: Any) -> Json:
    metadata = {"name": "web", "namespace": "default"}
    obj = {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": copy.deepcopy(spec), **more}
    return resource(api_version, kind).to_hub(obj)


def test_a_deployment_of_extensions_needs_no_selector_and_rolls_one_by_one() -> None:
    hub = hub_of("extensions/v1beta1", "Deployment", {"template": TEMPLATE})
    assert hub["metadata"]["labels"] == {"app": "web"}
    assert hub["spec"]["selector"] == {"matchLabels": {"app": "web"}}
    assert hub["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 1}
    assert (hub["spec"]["progressDeadlineSeconds"], hub["spec"]["revisionHistoryLimit"]) == (2147483647, 2147483647)
    assert resource("apps/v1", "Deployment").validate(hub) == []


def test_a_deployment_of_apps_v1beta1_keeps_two_old_revisions() -> None:
    hub = hub_of("apps/v1beta1", "Deployment", {"template": TEMPLATE})
    assert (hub["spec"]["progressDeadlineSeconds"], hub["spec"]["revisionHistoryLimit"]) == (600, 2)
    assert hub["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": "25%", "maxSurge": "25%"}


@pytest.mark.parametrize(
    ("api_version", "kind"), [("extensions/v1beta1", "DaemonSet"), ("apps/v1beta1", "StatefulSet")]
)
def test_the_first_workloads_replaced_a_pod_only_when_it_was_deleted(api_version: str, kind: str) -> None:
    hub = hub_of(api_version, kind, {"template": TEMPLATE})
    assert hub["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert resource("apps/v1", kind).validate(hub) == []


def test_the_fields_that_apps_lost_lie_in_annotations() -> None:
    spec = {"template": TEMPLATE, "rollbackTo": {"revision": 3}}
    hub = hub_of("extensions/v1beta1", "Deployment", spec)
    assert hub["metadata"]["annotations"] == {"deprecated.deployment.rollback.to": "3"}
    assert "rollbackTo" not in hub["spec"]
    hub = hub_of("extensions/v1beta1", "DaemonSet", {"template": TEMPLATE, "templateGeneration": 7})
    assert hub["metadata"]["annotations"] == {"deprecated.daemonset.template.generation": "7"}


@pytest.mark.parametrize("group", ["extensions", "networking.k8s.io"])
def test_an_ingress_of_a_beta_names_its_backends_the_old_way(group: str) -> None:
    path = {"path": "/a", "backend": {"serviceName": "a", "servicePort": "http"}}
    spec = {
        "backend": {"serviceName": "rest", "servicePort": 80},
        "rules": [{"host": "x.org", "http": {"paths": [path]}}],
    }
    hub = hub_of(f"{group}/v1beta1", "Ingress", spec)
    assert hub["spec"]["defaultBackend"] == {"service": {"name": "rest", "port": {"number": 80}}}
    (found,) = hub["spec"]["rules"][0]["http"]["paths"]
    assert found == {
        "path": "/a",
        "pathType": "ImplementationSpecific",
        "backend": {"service": {"name": "a", "port": {"name": "http"}}},
    }
    assert resource("networking.k8s.io/v1", "Ingress").validate(hub) == []


def test_an_empty_selector_of_an_old_budget_still_chooses_no_pod() -> None:
    hub = hub_of("policy/v1beta1", "PodDisruptionBudget", {"minAvailable": 1, "selector": {}})
    (one,) = hub["spec"]["selector"]["matchExpressions"]
    assert one["operator"] == "Exists"
    every = {**hub, "spec": {"selector": {}}}
    (one,) = resource("policy/v1beta1", "PodDisruptionBudget").from_hub(every)["spec"]["selector"]["matchExpressions"]
    assert one["operator"] == "DoesNotExist"


def test_the_metrics_of_the_first_beta_become_targets() -> None:
    metrics = [
        {"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 50}},
        {"type": "Pods", "pods": {"metricName": "rps", "targetAverageValue": "10"}},
        {
            "type": "Object",
            "object": {"metricName": "q", "targetValue": "5", "target": {"kind": "Service", "name": "web"}},
        },
        {"type": "External", "external": {"metricName": "e", "metricSelector": {}, "targetValue": "7"}},
    ]
    spec = {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "web"}, "metrics": metrics}
    cpu, pods, thing, outside = hub_of("autoscaling/v2beta1", "HorizontalPodAutoscaler", spec)["spec"]["metrics"]
    assert cpu["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    assert pods["pods"] == {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "10"}}
    assert thing["object"] == {
        "describedObject": {"kind": "Service", "name": "web"},
        "metric": {"name": "q"},
        "target": {"type": "Value", "value": "5"},
    }
    assert outside["external"]["metric"] == {"name": "e", "selector": {}}


def test_a_definition_of_the_beta_gets_a_structural_schema_and_reads_as_it_was_written() -> None:
    schema = {"properties": {"spec": {"properties": {"size": {"type": "integer"}, "any": {}}}}}
    spec = {
        "group": "stable.example.com",
        "version": "v1",
        "scope": "Namespaced",
        "names": {"plural": "crontabs", "kind": "CronTab"},
        "validation": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [{"name": "Size", "type": "integer", "JSONPath": ".spec.size"}],
    }
    entry = resource("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition")
    obj = {"apiVersion": entry.api_version, "kind": entry.kind, "metadata": {"name": "crontabs.stable.example.com"}}
    hub = entry.to_hub({**obj, "spec": copy.deepcopy(spec)})
    (version,) = hub["spec"]["versions"]
    assert version["additionalPrinterColumns"][0]["jsonPath"] == ".spec.size"
    root = version["schema"]["openAPIV3Schema"]
    assert (root["type"], root["x-kubernetes-preserve-unknown-fields"]) == ("object", True)
    assert root["properties"]["spec"]["type"] == "object"
    entry.declaration.prepare_create(hub)
    assert entry.validate(hub) == []
    back = entry.from_hub(hub)
    assert back["spec"]["validation"] == {"openAPIV3Schema": schema}
    assert "schema" not in back["spec"]["versions"][0]
    assert back["spec"]["additionalPrinterColumns"] == spec["additionalPrinterColumns"]


def test_a_webhook_of_the_beta_may_leave_open_what_else_it_does() -> None:
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    webhook = {"name": "a.example.com", "clientConfig": {"url": "https://example.com/a"}, "rules": [rule]}
    entry = resource("admissionregistration.k8s.io/v1beta1", "ValidatingWebhookConfiguration")
    obj = {"apiVersion": entry.api_version, "kind": entry.kind, "metadata": {"name": "x"}, "webhooks": [webhook]}
    hub = entry.to_hub(obj)
    (made,) = hub["webhooks"]
    assert (made["failurePolicy"], made["sideEffects"], made["timeoutSeconds"]) == ("Ignore", "Unknown", 30)
    assert made["admissionReviewVersions"] == ["v1beta1"]
    assert entry.validate(hub) == []
    (cause,) = entry.validate({**hub, "metadata": {"name": "x"}})
    assert cause.field == "webhooks[0].sideEffects"
    assert "annotations" not in entry.from_hub(hub)["metadata"]


@pytest.mark.parametrize(
    ("api_version", "changes"), [("extensions/v1beta1", True), ("apps/v1beta1", True), ("apps/v1beta2", False)]
)
def test_the_first_versions_let_the_selector_follow_the_labels(api_version: str, changes: bool) -> None:
    entry = resource(api_version, "Deployment")

    def written(label: str) -> Json:
        labels = {"metadata": {"labels": {"app": label}}, "spec": TEMPLATE["spec"]}
        return hub_of(api_version, "Deployment", {"selector": {"matchLabels": {"app": label}}, "template": labels})

    told = [cause.field for cause in entry.validate_update(written("api"), written("web"))]
    assert told == ([] if changes else ["spec.selector"])
