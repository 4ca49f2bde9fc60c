"""The OpenAPI documents hold what kubectl looks for in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from podling.api.schema import Schemas, load
from podling.api.schema.framing import fields
from podling.api.schema.openapi import (
    NONE,
    Descriptions,
    ServedResource,
    ServedSubresource,
    gnostic,
    v2_document,
    v3_document,
    v3_hash,
    v3_index,
    whole,
)
from podling.api.schema.openapi.descriptions import _Definition, _Text

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
STATUS = ServedSubresource("status", "apps", "v1", "ReplicaSet", ("get", "patch", "update"))
SCALE = ServedSubresource("scale", "autoscaling", "v1", "Scale", ("get", "patch", "update"))
REPLICASETS = ServedResource("apps", "v1", "replicasets", "ReplicaSet", True, VERBS, (STATUS, SCALE))
NAMESPACES = ServedResource("", "v1", "namespaces", "Namespace", False, VERBS)
MODEL = "io.k8s.api.apps.v1.ReplicaSet"


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return load()


@pytest.fixture(scope="module")
def v3(schemas: Schemas) -> dict[str, Any]:
    out: dict[str, Any] = json.loads(whole(v3_document(schemas, [REPLICASETS])))
    return out


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_index_names_each_group_version_with_a_hash_of_its_content() -> None:
    index = v3_index([REPLICASETS, NAMESPACES])["paths"]
    assert index["apis/apps/v1"]["serverRelativeURL"] == f"/openapi/v3/apis/apps/v1?hash={v3_hash([REPLICASETS])}"
    assert index["api/v1"]["serverRelativeURL"].startswith("/openapi/v3/api/v1?hash=")
    assert v3_hash([REPLICASETS]) != v3_hash([REPLICASETS], salt="other table")


def test_patch_says_its_kind_and_takes_field_validation(v3: dict[str, Any]) -> None:
    patch = v3["paths"]["/apis/apps/v1/namespaces/{namespace}/replicasets/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "kind": "ReplicaSet", "version": "v1"}
    assert {"fieldValidation", "dryRun"} <= {one["name"] for one in patch["parameters"] if one["in"] == "query"}
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]


def test_a_subresource_speaks_of_its_own_kind(v3: dict[str, Any]) -> None:
    scale = v3["paths"]["/apis/apps/v1/namespaces/{namespace}/replicasets/{name}/scale"]
    assert set(scale) == {"get", "put", "patch", "parameters"}
    assert scale["get"]["x-kubernetes-group-version-kind"]["group"] == "autoscaling"


def test_a_namespaced_resource_can_be_listed_across_namespaces(v3: dict[str, Any]) -> None:
    assert set(v3["paths"]["/apis/apps/v1/replicasets"]) == {"get", "parameters"}


def test_no_reference_leads_nowhere(schemas: Schemas, v3: dict[str, Any]) -> None:
    models = v3["components"]["schemas"]
    assert {ref.removeprefix("#/components/schemas/") for ref in references(v3)} <= set(models)
    v2 = whole(v2_document(schemas, [REPLICASETS, NAMESPACES]))
    assert {ref.removeprefix("#/definitions/") for ref in references(v2)} <= set(v2["definitions"])


def test_a_model_says_kind_required_fields_and_how_lists_merge(v3: dict[str, Any]) -> None:
    models = v3["components"]["schemas"]
    assert models[MODEL]["x-kubernetes-group-version-kind"] == [
        {"group": "apps", "kind": "ReplicaSet", "version": "v1"}
    ]
    assert models[f"{MODEL}Spec"]["required"] == ["selector"]
    containers = models["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]
    port = models["io.k8s.api.core.v1.ContainerPort"]["properties"]["protocol"]
    assert (port["default"], port["enum"]) == ("TCP", ["SCTP", "TCP", "UDP"])


def test_a_document_is_the_same_each_time(schemas: Schemas) -> None:
    assert whole(v3_document(schemas, [NAMESPACES])) == whole(v3_document(load(), [NAMESPACES]))


def test_descriptions_come_from_outside_or_not_at_all(schemas: Schemas, v3: dict[str, Any]) -> None:
    assert "description" not in v3["components"]["schemas"][MODEL]
    texts = Descriptions({MODEL: _Definition("A set.", {"spec": _Text("What is wanted.")})})
    document = json.loads(whole(v3_document(schemas, [REPLICASETS], texts)))
    model = document["components"]["schemas"][MODEL]
    assert (model["description"], model["properties"]["spec"]["description"]) == ("A set.", "What is wanted.")
    assert NONE.field(MODEL, "spec") == ""


def test_making_a_document_can_be_interrupted_after_each_resource(schemas: Schemas) -> None:
    steps = v3_document(schemas, [REPLICASETS, REPLICASETS])
    assert next(steps) is None and next(steps) is None
    with pytest.raises(StopIteration):
        next(steps)


def test_gnostic_holds_the_same_models_and_paths(schemas: Schemas) -> None:
    document = whole(v2_document(schemas, [REPLICASETS, NAMESPACES]))
    parts = {number: value for number, _, value in fields(whole(gnostic(document)))}

    def names(data: Any, entry: int) -> list[str]:
        named = ({key: item for key, _, item in fields(value)} for number, _, value in fields(data) if number == entry)
        return [str(bytes(one[1]), "utf-8") for one in named]

    assert bytes(parts[1]) == b"2.0"
    assert names(parts[8], 2) == list(document["paths"])
    assert names(parts[9], 1) == list(document["definitions"])
