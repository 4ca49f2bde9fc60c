"""What writes may touch: status and spec apart, generations, what a Service keeps."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from podling.api.kinds import scale
from tests.api.kinds import objects

Json = dict[str, Any]


def stored(kind: str, **paths: Any) -> Json:
    return objects.created(objects.base(kind, **paths))


def updated(old: Json, **paths: Any) -> Json:
    new = copy.deepcopy(old)
    for path, value in paths.items():
        objects.put(new, path, value)
    objects.resource(old["apiVersion"], old["kind"]).declaration.prepare_update(new, old)
    return new


def test_a_client_cannot_bring_a_status_on_create() -> None:
    assert stored("ReplicaSet", status={"replicas": 7})["status"] == {"replicas": 0}
    assert stored("Pod", status={"phase": "Running"})["status"]["phase"] == "Pending"


def test_a_node_may_be_created_with_its_status() -> None:
    assert stored("Node", status={"phase": "x"})["status"] == {"phase": "x"}


def test_an_update_keeps_the_status_and_counts_changes_of_the_spec() -> None:
    old = stored("ReplicaSet")
    new = updated(old, **{"spec.replicas": 5, "status.replicas": 9})
    assert new["status"] == {"replicas": 0}
    assert new["metadata"]["generation"] == 2
    assert updated(old, **{"metadata.labels": {"a": "b"}})["metadata"]["generation"] == 1
    assert updated(old, **{"metadata.generation": 17})["metadata"]["generation"] == 1


def test_an_update_of_the_status_keeps_everything_else() -> None:
    old = stored("ReplicaSet")
    new = copy.deepcopy(old)
    new["spec"]["replicas"], new["status"] = 9, {"replicas": 1}
    objects.resource("apps/v1", "ReplicaSet").declaration.prepare_status(new, old)
    assert new["spec"] == old["spec"]
    assert new["status"] == {"replicas": 1}


def test_a_slice_counts_changes_of_its_endpoints_and_labels() -> None:
    old = stored("EndpointSlice")
    assert updated(old)["metadata"]["generation"] == 1
    assert updated(old, endpoints=[])["metadata"]["generation"] == 2
    assert updated(old, **{"metadata.labels": {"a": "b"}})["metadata"]["generation"] == 2


def test_the_finalizer_of_a_namespace_stays_in_ordinary_updates() -> None:
    old = stored("Namespace")
    assert updated(old, **{"spec.finalizers": []})["spec"] == {"finalizers": ["kubernetes"]}


def service(**paths: Any) -> Json:
    out = stored("Service", **{"spec.type": "NodePort"})
    out["spec"] |= {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "ipFamilies": ["IPv4"]}
    out["spec"]["ports"][0]["nodePort"] = 30123
    for path, value in paths.items():
        objects.put(out, path, value)
    return out


def test_a_service_keeps_its_address_and_node_port_when_the_new_one_is_silent() -> None:
    silent = objects.created(objects.base("Service", **{"spec.type": "NodePort"}))
    objects.resource("v1", "Service").declaration.prepare_update(silent, service())
    assert silent["spec"]["clusterIPs"] == ["10.96.0.9"]
    assert silent["spec"]["ports"][0]["nodePort"] == 30123


def test_a_service_loses_its_node_port_with_its_type() -> None:
    new = updated(service(), **{"spec.type": "ClusterIP"})
    assert "nodePort" not in new["spec"]["ports"][0]
    assert new["spec"]["clusterIP"] == "10.96.0.9"
    assert "externalTrafficPolicy" not in new["spec"]


def test_a_service_that_becomes_an_alias_loses_its_address() -> None:
    new = updated(service(), **{"spec.type": "ExternalName", "spec.externalName": "example.com"})
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "internalTrafficPolicy"} & set(new["spec"])
    assert objects.resource("v1", "Service").validate_update(new, service()) == []


@pytest.mark.parametrize("kind", ["ReplicaSet", "Deployment", "StatefulSet"])
def test_scale_reads_and_writes_the_replicas(kind: str) -> None:
    obj = stored(kind, **{"spec.replicas": 4}) | {"status": {"replicas": 3}}
    paths = objects.resource("apps/v1", kind).declaration.scale
    assert paths is not None
    shown = scale.scale_of(obj, paths)
    assert shown["metadata"] == {"name": "web", "namespace": "default"}
    assert (shown["spec"], shown["status"]) == ({"replicas": 4}, {"replicas": 3, "selector": "app=web"})
    assert scale.scaled(obj, paths, {"spec": {"replicas": 2}})["spec"]["replicas"] == 2
    assert scale.scaled(obj, paths, {})["spec"]["replicas"] == 0
    assert obj["spec"]["replicas"] == 4


def test_the_scale_of_apps_v1beta2_shows_the_selector_as_a_map_too() -> None:
    paths = objects.resource("apps/v1beta2", "ReplicaSet").declaration.scale
    assert paths is not None
    shown = scale.scale_of(stored("ReplicaSet"), paths, "apps/v1beta2")
    assert shown["status"] == {"replicas": 0, "selector": {"app": "web"}, "targetSelector": "app=web"}


def test_a_scale_below_zero_is_refused() -> None:
    (cause,) = scale.validate({"spec": {"replicas": -1}})
    assert (cause.field, cause.message) == ("spec.replicas", "Invalid value: -1: must be greater than or equal to 0")


@pytest.mark.parametrize("kind", sorted(objects.bases()))
def test_the_selectable_fields_are_those_declared(kind: str) -> None:
    declaration = objects.resource(objects.base(kind)["apiVersion"], kind).declaration
    assert set(declaration.fields(stored(kind))) == set(declaration.field_names)
    assert set(declaration.fields({"metadata": {"name": "x"}})) == set(declaration.field_names)


def test_the_subresource_for_ephemeral_containers_changes_nothing_else() -> None:
    old = stored("Pod")
    new = copy.deepcopy(old)
    new["spec"] |= {"ephemeralContainers": [{"name": "debug", "image": "busybox"}], "hostname": "other"}
    objects.resource("v1", "Pod").declaration.prepare_update(new, old, "ephemeralcontainers")
    assert "hostname" not in new["spec"]
    assert new["spec"]["ephemeralContainers"][0]["name"] == "debug"
    assert new["metadata"]["generation"] == 2


def test_a_resize_changes_resources_and_keeps_the_quality_of_service() -> None:
    entry = objects.resource("v1", "Pod")
    old = stored("Pod", **{"spec.containers.0.resources": {"requests": {"cpu": "1"}}})
    bigger = copy.deepcopy(old)
    bigger["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "2"}}
    assert entry.validate_update(bigger, old, "resize") == []
    renamed = copy.deepcopy(old)
    renamed["spec"]["containers"][0]["name"] = "other"
    (cause,) = entry.validate_update(renamed, old, "resize")
    assert cause.message.startswith("Forbidden: only cpu and memory resources are mutable")
    effortless = copy.deepcopy(old)
    effortless["spec"]["containers"][0]["resources"] = {}
    removed, cause = entry.validate_update(effortless, old, "resize")
    assert removed.message == "Forbidden: resource requests cannot be removed"
    assert cause.message.endswith("Pod QOS Class may not change as a result of resizing")
