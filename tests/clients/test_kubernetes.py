"""The official Python client: typed calls, patches, watches, informers' building blocks, the dynamic client."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.exceptions import ApiException

NAME = {"name": "mine"}


@pytest.fixture(scope="module")
def api(kubeconfig: Path) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(kubeconfig)) as made:
        yield made


def config_map(name: str = "mine", **data: str) -> client.V1ConfigMap:
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data or None)


def test_objects_are_made_read_changed_and_deleted(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    made = core.create_namespaced_config_map(namespace, config_map(a="1"))
    assert made.metadata.uid and made.metadata.creation_timestamp.tzinfo is not None
    made.data["a"] = "2"
    core.replace_namespaced_config_map("mine", namespace, made)
    with pytest.raises(ApiException) as conflict:
        core.replace_namespaced_config_map("mine", namespace, made)
    assert (conflict.value.status, '"reason":"Conflict"' in conflict.value.body) == (409, True)
    core.patch_namespaced_config_map("mine", namespace, {"data": {"b": "1"}})
    core.patch_namespaced_config_map("mine", namespace, [{"op": "remove", "path": "/data/a"}])
    assert core.read_namespaced_config_map("mine", namespace).data == {"b": "1"}
    core.delete_namespaced_config_map("mine", namespace)
    with pytest.raises(ApiException) as gone:
        core.read_namespaced_config_map("mine", namespace)
    assert gone.value.status == 404


def test_lists_come_in_pages(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    for number in range(5):
        core.create_namespaced_secret(
            namespace, client.V1Secret(metadata={"name": f"s{number}"}, string_data={"a": "b"})
        )
    seen, token = [], None
    while token != "":
        page = core.list_namespaced_secret(namespace, limit=2, _continue=token)
        seen += [each.metadata.name for each in page.items]
        token = page.metadata._continue or ""
    assert seen == [f"s{number}" for number in range(5)]


def test_a_watch_sees_what_another_client_does(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    since = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, config_map(a="1"))
    core.delete_namespaced_config_map("mine", namespace)
    events = watch.Watch().stream(
        core.list_namespaced_config_map,
        namespace,
        resource_version=since,
        field_selector="metadata.name=mine",
        timeout_seconds=5,
    )
    seen = [(event["type"], event["object"].metadata.name) for event in itertools.islice(events, 2)]
    assert seen == [("ADDED", "mine"), ("DELETED", "mine")]


def test_a_deployment_is_made_from_a_manifest_and_scaled(api: client.ApiClient, namespace: str) -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": NAME, "spec": spec}
    utils.create_from_dict(api, manifest, namespace=namespace)
    apps = client.AppsV1Api(api)
    apps.patch_namespaced_deployment_scale("mine", namespace, {"spec": {"replicas": 2}})
    ready = threading.Event()
    for event in watch.Watch().stream(apps.list_namespaced_deployment, namespace, timeout_seconds=20):
        if event["object"].status.ready_replicas == 2:
            ready.set()
            break
    assert ready.is_set()
    assert apps.read_namespaced_deployment_scale("mine", namespace).spec.replicas == 2


def test_rights_are_asked_for(api: client.ApiClient, namespace: str) -> None:
    attributes = client.V1ResourceAttributes(namespace=namespace, verb="get", resource="pods")
    spec = client.V1SubjectAccessReviewSpec(user="nobody", resource_attributes=attributes)
    review = client.AuthorizationV1Api(api).create_subject_access_review(client.V1SubjectAccessReview(spec=spec))
    assert review.status.allowed is False


def test_the_dynamic_client_finds_resources_and_applies(api: client.ApiClient, namespace: str) -> None:
    kinds = dynamic.DynamicClient(api)
    maps = kinds.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": NAME, "data": {"a": "1"}}
    applied = maps.server_side_apply(body, namespace=namespace, field_manager="me")
    assert applied.data.a == "1"
    with pytest.raises(dynamic.exceptions.ConflictError):
        maps.server_side_apply(body | {"data": {"a": "2"}}, namespace=namespace, field_manager="other")
    found = maps.get(namespace=namespace, field_selector="metadata.name=mine").items
    assert [each.metadata.name for each in found] == ["mine"]


def test_custom_objects_without_a_class(api: client.ApiClient, namespace: str) -> None:
    names = {"plural": "carts", "singular": "cart", "kind": "Cart"}
    schema = client.V1CustomResourceValidation(
        open_apiv3_schema=client.V1JSONSchemaProps(type="object", x_kubernetes_preserve_unknown_fields=True)
    )
    version = client.V1CustomResourceDefinitionVersion(name="v1", served=True, storage=True, schema=schema)
    spec = client.V1CustomResourceDefinitionSpec(
        group="python.example", scope="Namespaced", names=names, versions=[version]
    )
    extensions = client.ApiextensionsV1Api(api)
    extensions.create_custom_resource_definition(
        client.V1CustomResourceDefinition(metadata={"name": "carts.python.example"}, spec=spec)
    )
    for event in watch.Watch().stream(extensions.list_custom_resource_definition, timeout_seconds=10):
        found = event["object"].status.conditions or []
        if event["object"].spec.group == "python.example" and any(each.type == "Established" for each in found):
            break
    customs = client.CustomObjectsApi(api)
    body = {"apiVersion": "python.example/v1", "kind": "Cart", "metadata": NAME, "spec": {"wheels": 4}}
    where = ("python.example", "v1", namespace, "carts")
    customs.create_namespaced_custom_object(*where, body)
    customs.patch_namespaced_custom_object(*where, "mine", {"spec": {"wheels": 3}})
    assert customs.get_namespaced_custom_object(*where, "mine")["spec"] == {"wheels": 3}
